/** A PATH parameter with dataFlow OUT or INOUT: what tasks write there is theirs to publish. */
export interface OutputLocation {
  parameter: string;
  /** Its place in the job's file tree. */
  location: string;
  /** Its absolute path on this node. */
  path: string;
  objectType: 'FILE' | 'DIRECTORY';
  /** The step's script names it, so a task that writes nothing there has failed. */
  required: boolean;
}
