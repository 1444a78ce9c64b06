import { z } from 'zod';

/** A path that a scene names, and what it stands for on this machine. */
export const sceneFileSchema = z.object({
  kind: z.string().describe('image, library, sound, movie clip, font, volume, fluid cache …'),
  path: z
    .string()
    .describe('As the scene has it: // is the folder of the .blend file that has it.'),
  pattern: z.enum(['file', 'udim', 'sequence', 'directory', 'list']),
  blend: z.string().describe('The .blend file that has it: the scene or a library.'),
  source: z.string().describe('The same as an absolute path of the machine that saved it.'),
  found: z.string().nullable().describe('Where it is on this machine; null: nowhere.'),
  usedBy: z.array(z.string()).describe('Data-blocks that use it: "Material Wood". At most 20.'),
  files: z.array(z.string()).describe('What is there of it, on this machine.'),
  missing: z.array(z.string()).describe('What is not.'),
});
export type SceneFile = z.infer<typeof sceneFileSchema>;

/** What Blender says of one scene: what it needs, or why that can't be told. */
export const sceneReportSchema = z.union([
  z.object({ scene: z.string(), blender: z.string(), files: z.array(sceneFileSchema) }),
  z.object({ scene: z.string(), blender: z.string(), problem: z.string() }),
]);

/** A scene that Blender has opened. */
export interface ScannedScene {
  scene: string;
  /** Blender's version. */
  blender: string;
  files: SceneFile[];
}

export const isMissing = ({ missing }: SceneFile): boolean => missing.length > 0;
