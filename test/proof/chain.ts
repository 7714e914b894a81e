// What the applications of the proof write, so that a database proves by itself which commits it holds. Commit `n` adds a
// row to `chain` whose digest covers the one before it, and changes rows of `slot` in a way that follows from that digest.
// So a state is whole only when the chain has no hole and every slot is exactly what the newest commit for it wrote.
import { createHash } from 'node:crypto';
import { DatabaseSync } from '../../src/base/sqlite.ts';

/** How much one commit changes. */
export interface Shape {
  slots: number;
  changesMax: number;
  bodyMax: number;
}

/** One commit. */
export interface Link {
  n: number;
  /** Which process made it. */
  writer: number;
  /** Two futures of one past differ in it. */
  nonce: Buffer;
  digest: Buffer;
}

export const SCHEMA = [
  'CREATE TABLE shape (slots INTEGER, changesMax INTEGER, bodyMax INTEGER)',
  'CREATE TABLE chain (n INTEGER PRIMARY KEY, writer INTEGER NOT NULL, nonce BLOB NOT NULL, digest BLOB NOT NULL)',
  'CREATE TABLE slot (k INTEGER PRIMARY KEY, n INTEGER NOT NULL, body BLOB NOT NULL)',
  'CREATE INDEX slot_n ON slot (n)',
] as const;

/** Out of 256 changes so many delete. */
const DELETES = 40;

const sha256 = (...parts: readonly (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export function firstLink(nonce: Buffer): Link {
  return { n: 0, writer: 0, nonce, digest: sha256('first', nonce) };
}

export function nextLink(last: Link, writer: number, nonce: Buffer): Link {
  const n = last.n + 1;
  return { n, writer, nonce, digest: sha256(last.digest, `${n} ${writer} `, nonce) };
}

/** Slots that a commit sets, or deletes (null). */
export function changesOf({ digest }: Link, { slots, changesMax, bodyMax }: Shape): Map<number, Buffer | null> {
  const changes = new Map<number, Buffer | null>();
  const count = 1 + (digest[0]! % changesMax);
  for (let i = 0; i < count; i++) {
    const seed = sha256(digest, String(i));
    const outputLength = 1 + (seed.readUInt32BE(5) % bodyMax);
    const body = seed[4]! < DELETES ? null : createHash('shake256', { outputLength }).update(seed).digest();
    changes.set(seed.readUInt32BE(0) % slots, body);
  }
  return changes;
}

export const blobText = (bytes: Uint8Array): string => `x'${Buffer.from(bytes).toString('hex')}'`;

/** A transaction's statements, without BEGIN and COMMIT. */
export function statementsOf(link: Link, shape: Shape): string[] {
  const { n, writer, nonce, digest } = link;
  const changes = [...changesOf(link, shape)].map(([k, body]) =>
    body === null
      ? `DELETE FROM slot WHERE k = ${k}`
      : `INSERT OR REPLACE INTO slot VALUES (${k}, ${n}, ${blobText(body)})`,
  );
  return [...changes, `INSERT INTO chain VALUES (${n}, ${writer}, ${blobText(nonce)}, ${blobText(digest)})`];
}

export interface NewDatabase {
  pageSize: number;
  shape: Shape;
  nonce: Buffer;
  /** Bytes of zeros to begin with. */
  ballastBytes?: number;
}

const BALLAST_ROW_BYTES = 64 * 2 ** 20;

/** Makes a database in WAL mode with the first link in it. Nothing keeps it open. */
export function createDatabase(path: string, { pageSize, shape, nonce, ballastBytes = 0 }: NewDatabase): void {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA page_size = ${pageSize}; PRAGMA synchronous = OFF`);
  for (const statement of SCHEMA) db.exec(statement);
  if (ballastBytes > 0) db.exec('CREATE TABLE ballast (id INTEGER PRIMARY KEY, body BLOB)');
  for (let left = ballastBytes; left > 0; left -= BALLAST_ROW_BYTES)
    db.exec(`INSERT INTO ballast (body) VALUES (zeroblob(${Math.min(left, BALLAST_ROW_BYTES)}))`);
  db.exec(`INSERT INTO shape VALUES (${shape.slots}, ${shape.changesMax}, ${shape.bodyMax})`);
  const { digest } = firstLink(nonce);
  db.exec(`INSERT INTO chain VALUES (0, 0, ${blobText(nonce)}, ${blobText(digest)})`);
  db.exec('PRAGMA journal_mode = WAL');
  db.close();
}

/** What a database says of itself. */
export interface ChainState {
  n: number;
  digest: string;
  /** Of the first link: which life of the database this is. */
  nonce: string;
  /** What is wrong with it; empty when it is exactly the state after commit `n`. */
  problems: string[];
}

type Db = InstanceType<typeof DatabaseSync>;
type StoredLink = { n: number; writer: number; nonce: Uint8Array; digest: Uint8Array };

function readLinks(db: Db): Link[] {
  const rows = db.prepare('SELECT n, writer, nonce, digest FROM chain ORDER BY n').all() as unknown as StoredLink[];
  return rows.map(({ n, writer, nonce, digest }) => ({
    n,
    writer,
    nonce: Buffer.from(nonce),
    digest: Buffer.from(digest),
  }));
}

function chainProblems(links: readonly Link[]): string[] {
  for (const [at, link] of links.entries()) {
    const before = links[at - 1];
    const expected = before ? nextLink(before, link.writer, link.nonce) : firstLink(link.nonce);
    if (link.n !== expected.n) return [`after commit ${before?.n ?? 'none'} comes ${link.n}`];
    if (!link.digest.equals(expected.digest)) return [`commit ${link.n} does not follow from the one before`];
  }
  return links.length === 0 ? ['there is no first commit'] : [];
}

function slotProblems(db: Db, links: readonly Link[]): string[] {
  const shape = db.prepare('SELECT * FROM shape').get() as unknown as Shape;
  const expected = new Map<number, { n: number; body: Buffer | null }>();
  for (const link of links.toReversed()) {
    if (expected.size === shape.slots || link.n === 0) break;
    for (const [k, body] of changesOf(link, shape)) if (!expected.has(k)) expected.set(k, { n: link.n, body });
  }
  const problems: string[] = [];
  const rows = db.prepare('SELECT k, n, body FROM slot ORDER BY k').all() as unknown as Array<{
    k: number;
    n: number;
    body: Uint8Array;
  }>;
  for (const { k, n, body } of rows) {
    const wanted = expected.get(k);
    if (wanted?.n !== n || !wanted.body?.equals(body)) problems.push(`slot ${k} is of commit ${n}, not ${wanted?.n}`);
    expected.delete(k);
  }
  for (const [k, { n, body }] of expected) if (body) problems.push(`slot ${k} of commit ${n} is missing`);
  return problems.slice(0, 5);
}

/** Reads a whole database that nobody else has open. */
export function readChain(path: string): ChainState {
  const db = new DatabaseSync(path);
  try {
    const check = Object.values(db.prepare('PRAGMA integrity_check(3)').get() as object)[0] as string;
    if (check !== 'ok') return { n: -1, digest: '', nonce: '', problems: [check] };
    const links = readLinks(db);
    const last = links.at(-1);
    return {
      n: last?.n ?? -1,
      digest: last?.digest.toString('hex') ?? '',
      nonce: links[0]?.nonce.toString('hex') ?? '',
      problems: [...chainProblems(links), ...slotProblems(db, links)],
    };
  } catch (error) {
    return { n: -1, digest: '', nonce: '', problems: [String(error)] };
  } finally {
    db.close();
  }
}
