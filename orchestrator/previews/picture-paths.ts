import path from 'node:path';

const PICTURES: ReadonlySet<string> = new Set(['.png', '.jpg', '.jpeg', '.tif', '.tiff', '.exr']);

/** Whether a file is a picture that previews are made of, by its name. */
export const isPicture = (treePath: string): boolean => PICTURES.has(extensionOf(treePath));

/** Lower case, with its dot. */
export const extensionOf = (treePath: string): string => path.posix.extname(treePath).toLowerCase();
