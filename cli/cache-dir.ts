import path from 'node:path';

/**
 * Where the CLI keeps what it can do without: KARST_CACHE_DIR, else `karst` below XDG_CACHE_HOME, else
 * below ~/.cache. Undefined where there is no home: then nothing is kept.
 */
export function cacheDir(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const { KARST_CACHE_DIR: own, XDG_CACHE_HOME: xdg, HOME: home } = env;
  if (own) return path.resolve(own);
  // The XDG specification has relative paths ignored.
  if (xdg && path.isAbsolute(xdg)) return path.join(xdg, 'karst');
  return home && path.isAbsolute(home) ? path.join(home, '.cache', 'karst') : undefined;
}
