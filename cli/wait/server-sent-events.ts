/** One frame of a text/event-stream. */
export interface ServerSentEvent {
  id: string | undefined;
  event: string;
  data: string;
}

const FRAME_CHARACTERS_MAX = 1_048_576;

/** Parses an event stream as it arrives. Comments (heartbeats) are passed over. */
export async function* readServerSentEvents(
  chunks: AsyncIterable<unknown>,
): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let buffered = '';
  for await (const chunk of chunks) {
    buffered += chunk instanceof Uint8Array ? decoder.decode(chunk, { stream: true }) : chunk;
    buffered = buffered.replace(/\r\n?/g, '\n');
    for (let end = buffered.indexOf('\n\n'); end >= 0; end = buffered.indexOf('\n\n')) {
      const frame = parseFrame(buffered.slice(0, end));
      buffered = buffered.slice(end + 2);
      if (frame !== undefined) yield frame;
    }
    if (buffered.length > FRAME_CHARACTERS_MAX) throw new Error('an event is too long');
  }
}

function parseFrame(text: string): ServerSentEvent | undefined {
  let id: string | undefined;
  let event = 'message';
  const data: string[] = [];
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id') id = value;
    else if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
  }
  return data.length === 0 ? undefined : { id, event, data: data.join('\n') };
}
