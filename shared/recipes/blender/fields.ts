import { z } from 'zod';
import { fieldMap } from '../field-problems.ts';
import {
  framesField,
  movieField,
  pathField,
  previewField,
  programField,
  sizeField,
  threadsField,
  timeoutField,
} from '../field-schemas.ts';

/** File format of Blender -> the extensions that ask for it; the first is the one it is given. */
export const blenderFormats = {
  PNG: ['.png'],
  JPEG: ['.jpg', '.jpeg'],
  OPEN_EXR: ['.exr'],
  TIFF: ['.tif', '.tiff'],
} as const;
export type BlenderFormat = keyof typeof blenderFormats;

const tileCount = z.int().min(1).max(64);

const tilesField = z
  .preprocess(
    (given) => {
      const match = typeof given === 'string' ? /^(\d+)\s*x\s*(\d+)$/.exec(given) : null;
      return match === null ? given : { columns: Number(match[1]), rows: Number(match[2]) };
    },
    fieldMap('tiles (such as 4x2, or columns and rows)', {
      columns: tileCount,
      rows: tileCount,
    }).optional(),
  )
  .optional();

/** `render` with Blender. */
export const blenderFieldsSchema = fieldMap('render with Blender', {
  renderer: z.literal('blender').optional(),
  scene: pathField,
  folder: pathField.optional(),
  frames: framesField.default('1'),
  output: pathField.optional(),
  format: z.enum(['PNG', 'JPEG', 'OPEN_EXR', 'TIFF']).optional(),
  engine: z.enum(['CYCLES', 'EEVEE', 'WORKBENCH']).optional(),
  samples: z.int().min(1).max(1_000_000).optional(),
  denoise: z.boolean().optional(),
  width: sizeField.optional(),
  height: sizeField.optional(),
  percentage: z.int().min(1).max(1000).optional(),
  threads: threadsField.optional(),
  chunk: z.int().min(1).max(1_000_000).optional(),
  chunkTargetSeconds: z.int().min(1).optional(),
  keepLoaded: z.boolean().optional(),
  scripts: z.boolean().default(false),
  preview: previewField,
  tiles: tilesField,
  movie: movieField,
  timeoutSeconds: timeoutField.optional(),
  program: programField.default('blender'),
});

export type BlenderFields = z.infer<typeof blenderFieldsSchema>;
export type Tiles = NonNullable<BlenderFields['tiles']>;
