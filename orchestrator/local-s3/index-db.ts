import { join } from 'node:path';
import {
  DatabaseSync,
  type SQLInputValue,
  type SQLOutputValue,
  type StatementSync,
} from 'node:sqlite';

const schemaVersion = 1;

/** Keys are blobs: SQLite then orders them by their UTF-8 bytes, as S3 lists them. */
const schema = `
CREATE TABLE bucket (name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL) STRICT;
CREATE TABLE object (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  bucket TEXT NOT NULL, key BLOB NOT NULL,
  etag TEXT NOT NULL, size_bytes INTEGER NOT NULL, modified_ms INTEGER NOT NULL,
  upload TEXT,            -- the multipart upload it came from: makes Complete repeatable
  headers TEXT NOT NULL,  -- JSON {name: value}: content and x-amz-meta-* headers
  checksums TEXT NOT NULL, -- JSON {algorithm: base64}
  UNIQUE (bucket, key)
) STRICT;
CREATE TABLE piece (
  object INTEGER NOT NULL, seq INTEGER NOT NULL, blob TEXT NOT NULL, size_bytes INTEGER NOT NULL,
  PRIMARY KEY (object, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX piece_blob ON piece (blob);
CREATE TABLE upload (
  id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, created_ms INTEGER NOT NULL,
  headers TEXT NOT NULL, algorithm TEXT, checksum_type TEXT
) STRICT;
CREATE INDEX upload_key ON upload (bucket, key, id);
CREATE TABLE part (
  upload TEXT NOT NULL, number INTEGER NOT NULL, blob TEXT NOT NULL, size_bytes INTEGER NOT NULL,
  etag TEXT NOT NULL, checksums TEXT NOT NULL, modified_ms INTEGER NOT NULL,
  PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX part_blob ON part (blob);
`;

export type Row = Readonly<Record<string, SQLOutputValue>>;

type Waiting = { run: () => () => void; fail: (error: unknown) => void };

/**
 * The index: which objects exist, what is known of them and which blobs hold their bytes. One SQLite
 * file in WAL mode; the exclusive lock also keeps a second endpoint off the same folder.
 */
export class Index {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #queue: Waiting[] = [];

  constructor(dir: string) {
    this.#database = new DatabaseSync(join(dir, 'index.db'));
    try {
      this.#database.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;');
      this.#database.exec('PRAGMA synchronous=FULL; BEGIN IMMEDIATE;');
      const version = this.one('PRAGMA user_version')?.user_version;
      if (version === 0) this.#database.exec(`${schema} PRAGMA user_version=${schemaVersion};`);
      else if (version !== schemaVersion) {
        throw new Error(`${dir} holds an index of version ${version}, not ${schemaVersion}`);
      }
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.close();
      throw new Error(`cannot open the S3 folder ${dir}; is another endpoint using it?`, {
        cause: error,
      });
    }
  }

  close(): void {
    this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  one(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values);
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values);
  }

  /** Runs a statement; returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  /**
   * Runs `change` (synchronous; it may throw to refuse) in a transaction and resolves once it is on
   * disk. Changes asked for in the same turn share one transaction, hence one fsync; each has its own
   * savepoint, so one refusal leaves the others alone. They run strictly one after the other.
   */
  commit<T>(change: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => {
        const value = change();
        return () => resolve(value);
      };
      this.#queue.push({ run, fail: reject });
      if (this.#queue.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const batch = this.#queue;
    this.#queue = [];
    const settle: (() => void)[] = [];
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      for (const waiting of batch) {
        this.#database.exec('SAVEPOINT change');
        try {
          settle.push(waiting.run());
        } catch (error) {
          // A full disk can end the whole transaction, and with it everybody's change.
          if (!this.#database.isTransaction) throw error;
          this.#database.exec('ROLLBACK TO change');
          settle.push(() => waiting.fail(error));
        }
        this.#database.exec('RELEASE change');
      }
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      for (const waiting of batch) waiting.fail(error);
      return;
    }
    for (const done of settle) done();
  }
}

/** A column of our own schema; a wrong type means a damaged index. */
export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new Error(`index column ${column} is not text`);
  return value;
}

export function integerOf(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new Error(`index column ${column} is not an integer`);
  return value;
}

export function bytesOf(row: Row, column: string): Buffer {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new Error(`index column ${column} is not a blob`);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** A JSON column holding {string: string}. */
export function recordOf(row: Row, column: string): Record<string, string> {
  const parsed: unknown = JSON.parse(textOf(row, column));
  if (typeof parsed !== 'object' || parsed === null) throw new Error(`${column} is not an object`);
  const record: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) record[name] = String(value);
  return record;
}
