import { collectionRoutes } from './collection.ts';
import { nodeRoutes, protocolRoutes } from './node-routes.ts';
import { previewRoutes } from './preview-routes.ts';
import { accessRoutes, serviceRoutes } from './service-routes.ts';
import { settingsRoutes } from './settings-routes.ts';
import { storageSettingsRoutes } from './storage-settings.ts';
import { storageUseRoutes } from './storage-use.ts';
import { fileRoutes, jobRoutes, taskRoutes } from './studio-routes.ts';

/** The whole API. Express is mounted from it, clients call through it, OpenAPI is made from it. */
export const routes = {
  ...jobRoutes,
  ...taskRoutes,
  ...fileRoutes,
  ...previewRoutes,
  ...nodeRoutes,
  ...protocolRoutes,
  ...settingsRoutes,
  ...storageSettingsRoutes,
  ...storageUseRoutes,
  ...collectionRoutes,
  ...accessRoutes,
  ...serviceRoutes,
};
export type Routes = typeof routes;
export type OperationId = keyof Routes;
