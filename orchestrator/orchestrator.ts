import { createAuthenticate } from './access/authenticate.ts';
import { ensureAdminKey } from './access/bootstrap.ts';
import { idleThriftPass } from './background/idle-thrift.ts';
import { restoreFarm } from './background/restore-farm.ts';
import { buildHandlers } from './build-handlers.ts';
import { buildServices } from './build-services.ts';
import { buildStores, type Surroundings } from './build-stores.ts';
import type { Config } from './config.ts';
import { createApp } from './http/app.ts';
import { type ListenConfig, startServer } from './http/server.ts';

export interface RunningOrchestrator {
  url: string;
  /** Graceful end: parked calls answer, requests finish, passes stop. */
  stop(): Promise<void>;
}

function listenConfig(config: Config): ListenConfig {
  const { KARST_TLS_KEY_FILE: keyFile, KARST_TLS_CERT_FILE: certFile } = config;
  return {
    host: config.KARST_HOST,
    port: config.KARST_PORT,
    tls: keyFile === undefined || certFile === undefined ? undefined : { keyFile, certFile },
    allowInsecureBind: config.KARST_ALLOW_INSECURE_BIND,
  };
}

/** Starts one replica: connects, listens, starts the background passes. Replicas are equal. */
export async function startOrchestrator(
  config: Config,
  around: Surroundings,
): Promise<RunningOrchestrator> {
  const stores = await buildStores(config, around);
  await restoreFarm({ ...stores, ...around });
  if (config.KARST_ADMIN_KEY_FILE !== undefined) {
    await ensureAdminKey(stores.apiKeys, around.random, config.KARST_ADMIN_KEY_FILE);
  }
  await stores.settings.load();
  const services = buildServices(config, around, stores);
  await services.usage.load();
  services.dispatcher.applyShares();
  const { driver, bus, dispatcher, aftermath, metrics } = services;
  const shutdown = new AbortController();
  const app = createApp({
    ...around,
    metrics,
    handlers: buildHandlers(config, around, stores, services, shutdown.signal),
    authenticate: createAuthenticate(stores.apiKeys, stores.nodeTokens),
    shutdown: shutdown.signal,
  });
  await bus.start((wake) => dispatcher.receive(wake));
  const server = await startServer(app, listenConfig(config), shutdown, around.logger);
  const thrift = idleThriftPass(() => dispatcher.waitingCalls, around.clock);
  for (const pass of [...services.passes(), thrift]) driver.start(pass);
  return {
    url: server.url,
    async stop() {
      await server.close();
      await driver.stop();
      aftermath.close();
      services.waiting.close();
      services.gangClock.close();
      await services.usage.close();
      await stores.close();
    },
  };
}
