import { type RedisOptions, Redis as Single } from 'ioredis';

/**
 * A connection to one Redis server that sends the commands of one turn of the event loop, whichever
 * requests they come from, in one write: each would cost a system call of its own. With `setImmediate`
 * rather than `nextTick`, which runs after each socket's callback, nodes that call together share one.
 */
export class GatheringRedis extends Single {
  constructor(url: string, options: Omit<RedisOptions, 'replyMapping'>) {
    super(url, options);
  }

  override sendCommand(...given: Parameters<Single['sendCommand']>): unknown {
    const { stream } = this;
    // The first command opens the connection: there may be no stream yet.
    if (stream !== undefined && stream.writableCorked === 0) {
      stream.cork();
      setImmediate(() => stream.uncork());
    }
    return super.sendCommand(...given);
  }
}
