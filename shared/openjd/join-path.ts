/** True for `/a`, `\\a` and `C:a`: a path that names a place by itself. */
export function isAbsolutePath(path: string): boolean {
  return /^(?:[/\\]|[A-Za-z]:)/.test(path);
}

/**
 * A relative path from an absolute directory, `.` and `..` resolved, in the directory's own style
 * (POSIX, or Windows when it has a drive or backslashes). Empty and absolute paths stay as they are.
 */
export function joinPath(dir: string, path: string): string {
  if (path === '' || isAbsolutePath(path)) return path;
  const windows = /^[A-Za-z]:|\\/.test(dir);
  const separator = windows ? '\\' : '/';
  const splitter = windows ? /[/\\]+/ : /\/+/;
  const [root = '', ...rest] = dir.split(splitter);
  const parts: string[] = [];
  for (const part of [...rest, ...path.split(splitter)]) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `${root}${separator}${parts.join(separator)}`;
}
