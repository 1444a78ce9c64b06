export interface StreamedEvent {
  id: string;
  type: string;
  data: unknown;
}
export interface EventReader extends AsyncDisposable {
  /** Throws 'the stream ended' after the last one. */
  next(): Promise<StreamedEvent>;
}

/** Opens /v1/events and resolves once the subscription stands. */
export async function openEvents(
  url: string,
  key: string,
  options: { jobId?: string; lastEventId?: string } = {},
): Promise<EventReader> {
  const stop = new AbortController();
  const query = options.jobId === undefined ? '' : `?jobId=${options.jobId}`;
  const response = await fetch(`${url}/v1/events${query}`, {
    signal: stop.signal,
    headers: {
      authorization: `Bearer ${key}`,
      ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
    },
  });
  if (response.status !== 200 || response.body === null) throw new Error(await response.text());
  const frames = framesOf(response.body);
  // The first frame only says how soon to reconnect.
  await frames.next();
  return {
    async next() {
      for (;;) {
        const { done, value } = await frames.next();
        if (done) throw new Error('the stream ended');
        if (!value.startsWith(':')) return parseFrame(value);
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
    },
  };
}

async function* framesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + text).split('\n\n');
    rest = frames.pop() ?? '';
    yield* frames;
  }
}

function parseFrame(frame: string): StreamedEvent {
  const fields = new Map(
    frame.split('\n').map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)] as const;
    }),
  );
  return {
    id: fields.get('id') ?? '',
    type: fields.get('event') ?? '',
    data: JSON.parse(fields.get('data') ?? 'null'),
  };
}
