import { extname } from 'node:path';
import { checkExr } from './exr.ts';
import { type Fault, FileBytes } from './file-bytes.ts';
import { checkJpeg } from './jpeg.ts';
import { checkMovie } from './movie.ts';
import { checkPng } from './png.ts';
import { checkSafetensors } from './safetensors.ts';
import { checkTiff } from './tiff.ts';
import { checkWebp } from './webp.ts';
import { checkZip } from './zip.ts';

type Check = (bytes: FileBytes) => Promise<Fault>;

/** PyTorch's older format is a pickle, whose end nothing tells. */
const checkTorch: Check = async (bytes) =>
  (await bytes.at(0, 2)).toString('latin1') === 'PK' ? await checkZip(bytes) : undefined;

const checks: Readonly<Record<string, Check>> = {
  '.png': checkPng,
  '.jpg': checkJpeg,
  '.jpeg': checkJpeg,
  '.exr': checkExr,
  '.tif': checkTiff,
  '.tiff': checkTiff,
  '.webp': checkWebp,
  '.mp4': checkMovie,
  '.m4v': checkMovie,
  '.mov': checkMovie,
  '.safetensors': checkSafetensors,
  '.zip': checkZip,
  '.npz': checkZip,
  '.usdz': checkZip,
  '.pt': checkTorch,
  '.pth': checkTorch,
};

/**
 * Whether a file is whole, as far as its own structure tells; which structure, its name says. Of
 * others nothing but their size is known. Throws as the file system does.
 */
export async function checkHeader(path: string): Promise<Fault> {
  const check = checks[extname(path).toLowerCase()];
  if (check === undefined) return undefined;
  return await FileBytes.use(path, check);
}
