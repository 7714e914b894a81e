// A deterministic sample database: a shop with customers, orders, lines, JSON events and files. The same size gives the
// same bytes on every machine with the same SQLite. Text is of words with a natural skew, about a seventh of the bytes is
// noise that does not compress, indexes are in random order and deleted rows leave holes, as in a database that lives.
import { createCipheriv, createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { DatabaseSync } from '../src/base/sqlite.ts';
import { settle } from './settle.ts';

const SEED = 20_260_131;
const PAGE_BYTES = 4096;
const MB = 1_000_000;
const WORDS = 5_000;
/** Far more than one block of a backup, so that text does not repeat within a block. */
const TEXT_CHARS = 16_000_000;
const NOISE_BYTES = 16_000_000;
const CUSTOMERS_PER_STEP = 100;
const ORDERS_PER_STEP = 1_000;
/** Words that may follow one; the first of them does so most often. */
const SUCCESSORS = 24;
/** Every so many orders come with a file. */
const FILE_EVERY = 96;
/** Every so many events one is deleted. */
const HOLES_EVERY = 37;
const FIRST_DAY_MS = Date.UTC(2024, 0, 1);
const SECOND_MS = 1000;

const SCHEMA = `
  CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, city TEXT NOT NULL,
    balance INTEGER NOT NULL);
  CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers, placed_at TEXT NOT NULL,
    status TEXT NOT NULL, total INTEGER NOT NULL);
  CREATE INDEX orders_of_customer ON orders (customer_id);
  CREATE INDEX orders_by_time ON orders (placed_at);
  CREATE TABLE order_lines (order_id INTEGER NOT NULL, line_no INTEGER NOT NULL, product TEXT NOT NULL,
    quantity INTEGER NOT NULL, price INTEGER NOT NULL, PRIMARY KEY (order_id, line_no)) WITHOUT ROWID;
  CREATE TABLE events (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
  CREATE INDEX events_of_order ON events (order_id);
  CREATE TABLE files (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, content BLOB NOT NULL);
`;

/** 32 random bits at a time (mulberry32): fast, and the same everywhere. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Random = ReturnType<typeof seededRandom>;

/** Running text: each word is followed by a few others, some of them far more often than others, as in a language. */
function sampleText(random: Random, chars: number): string {
  const letters = 'etaoinshrdlucmfwypvbgk';
  const words = Array.from({ length: WORDS }, () =>
    Array.from({ length: 2 + random(9) }, () => letters[random(letters.length)]).join(''),
  );
  // The product of draws is small more often than not.
  const skewed = (below: number) => Math.floor((random(below) * random(below) * random(below)) / below ** 2);
  const successors = words.map(() => Array.from({ length: SUCCESSORS }, () => skewed(WORDS)));
  const parts: string[] = [];
  let word = 0;
  for (let length = 0; length < chars; length += parts.at(-1)!.length + 1) {
    word = successors[word]![skewed(SUCCESSORS)]!;
    parts.push(words[word]!);
  }
  return parts.join(' ');
}

function noise(): Buffer {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16, 2));
  return cipher.update(Buffer.alloc(NOISE_BYTES));
}

class Shop {
  readonly #db: DatabaseSync;
  readonly #random = seededRandom(SEED);
  readonly #text: string;
  readonly #noise = noise();
  readonly #insert;
  #customers = 0;
  #orders = 0;

  constructor(db: DatabaseSync, textChars: number) {
    this.#db = db;
    this.#text = sampleText(this.#random, textChars);
    this.#insert = {
      customer: db.prepare('INSERT INTO customers VALUES (?, ?, ?, ?, 0)'),
      order: db.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)'),
      line: db.prepare('INSERT INTO order_lines VALUES (?, ?, ?, ?, ?)'),
      event: db.prepare('INSERT INTO events (order_id, kind, body) VALUES (?, ?, ?)'),
      file: db.prepare('INSERT INTO files (token, content) VALUES (?, ?)'),
    };
  }

  /** One transaction of new customers and orders. */
  grow(): void {
    this.#db.exec('BEGIN');
    for (let i = 0; i < CUSTOMERS_PER_STEP; i++) this.#addCustomer();
    for (let i = 0; i < ORDERS_PER_STEP; i++) this.#addOrder();
    this.#db.exec('COMMIT');
  }

  #words(chars: number): string {
    const from = this.#random(this.#text.length - chars);
    return this.#text.slice(from, from + chars);
  }

  #bytes(length: number): Buffer {
    const from = this.#random(NOISE_BYTES - length);
    return this.#noise.subarray(from, from + length);
  }

  #addCustomer(): void {
    const id = ++this.#customers;
    const name = this.#words(18);
    this.#insert.customer.run(id, name, `${this.#bytes(4).toString('hex')}.${id}@example.com`, this.#words(10));
  }

  #addOrder(): void {
    const random = this.#random;
    const id = ++this.#orders;
    const placedAt = new Date(FIRST_DAY_MS + id * 7 * SECOND_MS + random(SECOND_MS)).toISOString();
    const status = ['new', 'paid', 'packed', 'sent', 'returned'][random(5)]!;
    this.#insert.order.run(id, 1 + random(this.#customers), placedAt, status, random(50_000));
    for (let line = 1 + random(5); line > 0; line--)
      this.#insert.line.run(id, line, this.#words(24), 1 + random(4), random(20_000));
    for (let event = random(4); event > 0; event--) {
      const body = {
        at: placedAt,
        order: id,
        session: this.#bytes(16).toString('hex'),
        note: this.#words(100 + random(900)),
      };
      this.#insert.event.run(1 + random(id), status, JSON.stringify(body));
    }
    if (random(FILE_EVERY) === 0)
      this.#insert.file.run(this.#bytes(16).toString('hex') + id, this.#bytes(1_000 + random(12_000)));
  }
}

export interface SampleDatabase {
  path: string;
  sizeBytes: number;
  /** Of the whole file, which has no WAL. */
  sha256: string;
}

/** Makes a sample database of at least this size, in WAL mode, closed and checkpointed. */
export async function makeSampleDatabase(path: string, sizeMb: number): Promise<SampleDatabase> {
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
      PRAGMA cache_size = -500000`);
    db.exec(SCHEMA);
    const shop = new Shop(db, Math.min(TEXT_CHARS, sizeMb * MB));
    const pagesWanted = (sizeMb * MB) / PAGE_BYTES;
    const pageCount = db.prepare('PRAGMA page_count');
    const pages = () => Number((pageCount.get() as { page_count: number }).page_count);
    while (pages() < pagesWanted) shop.grow();
    db.exec(`DELETE FROM events WHERE id % ${HOLES_EVERY} = 0`);
    db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
  settle(path);
  return { path, sizeBytes: statSync(path).size, sha256: await fileSha256(path) };
}

/** @param zeroed place and length of bytes near the start that count as zeros */
export async function fileSha256(path: string, zeroed: readonly (readonly [number, number])[] = []): Promise<string> {
  const hash = createHash('sha256');
  let isFirst = true;
  for await (const chunk of createReadStream(path, { highWaterMark: 4 * MB })) {
    const bytes = chunk as Buffer;
    if (isFirst) for (const [at, length] of zeroed) bytes.fill(0, at, at + length);
    isFirst = false;
    hash.update(bytes);
  }
  return hash.digest('hex');
}
