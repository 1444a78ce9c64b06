const TIMEOUT_MS = 30_000;

/** Whether the object behind a signed deletion is gone for certain; false where that is not known. */
export async function sendDeletion(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { method: 'DELETE', signal: AbortSignal.timeout(TIMEOUT_MS) });
    await answer.arrayBuffer();
    return answer.ok || answer.status === 404;
  } catch {
    return false;
  }
}
