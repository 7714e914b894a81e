// A session of the fake engine. Its whole language: put K V, get K, delete K, list, begin, commit, rollback; K and V may be ?.
import { fail } from '../../base/errors.ts';
import { type Column, okResult, rowsResult, type SqlValue, type StatementResult, varchar } from '../../model/result.ts';
import type { EngineSession, EngineTenant } from '../engine-driver.ts';
import type { FakeDatabase } from './fake-database.ts';

type Verb = 'put' | 'get' | 'delete' | 'list' | 'begin' | 'commit' | 'rollback';
const WORDS: Record<Verb, number> = { put: 2, get: 1, delete: 1, list: 0, begin: 0, commit: 0, rollback: 0 };
const KEY: Column = { name: 'k', type: varchar(255) };
const VALUE: Column = { name: 'v', type: varchar(4096) };

interface Statement {
  verb: Verb;
  words: string[];
}

function parse(sql: string): Statement {
  const [first = '', ...words] = sql
    .trim()
    .replace(/;$/, '')
    .split(/\s+/)
    .filter((word) => word !== '');
  const verb = first.toLowerCase() as Verb;
  if (!Object.hasOwn(WORDS, verb) || words.length !== WORDS[verb])
    throw fail('SYNTAX', { near: sql.slice(0, 80), line: 1 });
  return { verb, words };
}

export class FakeSession implements EngineSession {
  readonly #database: FakeDatabase;
  readonly #tenant: EngineTenant;
  readonly #onClose: (session: FakeSession) => void;
  #changes: Map<string, string | null> | undefined;
  #isClosed = false;

  constructor(database: FakeDatabase, tenant: EngineTenant, onClose: (session: FakeSession) => void) {
    this.#database = database;
    this.#tenant = tenant;
    this.#onClose = onClose;
  }

  get isInTransaction(): boolean {
    return this.#changes !== undefined;
  }

  async prepare(sql: string): Promise<{ parameterCount: number; columns: Column[] }> {
    const { verb, words } = parse(sql);
    const columns = verb === 'get' ? [VALUE] : verb === 'list' ? [KEY, VALUE] : [];
    return { parameterCount: words.filter((word) => word === '?').length, columns };
  }

  async execute(sql: string, parameters: readonly SqlValue[], signal: AbortSignal): Promise<StatementResult> {
    if (this.#isClosed) throw fail('HOST_LOST', { because: 'the session was closed' });
    if (signal.aborted) throw fail('QUERY_INTERRUPTED', {});
    const { verb, words } = parse(sql);
    const expected = words.filter((word) => word === '?').length;
    if (expected !== parameters.length) throw fail('PARAMETER_COUNT', { expected, given: parameters.length });
    const given = parameters.map(String);
    const [key = '', value = ''] = words.map((word) => (word === '?' ? (given.shift() ?? '') : word));
    return this.#run(verb, key, value);
  }

  async reset(): Promise<void> {
    this.#changes = undefined;
  }

  async close(): Promise<void> {
    this.#changes = undefined;
    this.#isClosed = true;
    this.#onClose(this);
  }

  #run(verb: Verb, key: string, value: string): StatementResult {
    switch (verb) {
      case 'get': {
        const found = this.#read(key);
        return rowsResult([VALUE], found === null ? [] : [[found]]);
      }
      case 'list':
        return rowsResult([KEY, VALUE], this.#list());
      case 'put':
        this.#write(key, value);
        return okResult(1n);
      case 'delete': {
        const affected = this.#read(key) === null ? 0n : 1n;
        this.#write(key, null);
        return okResult(affected);
      }
      case 'begin':
        this.#changes = new Map();
        return okResult();
      case 'commit':
        if (this.#changes) this.#database.commit(this.#changes);
        this.#changes = undefined;
        return okResult();
      case 'rollback':
        this.#changes = undefined;
        return okResult();
    }
  }

  #read(key: string): string | null {
    const own = this.#changes?.get(key);
    return own !== undefined ? own : (this.#database.get(key) ?? null);
  }

  #list(): SqlValue[][] {
    const entries = new Map<string, string | null>(this.#database.entries());
    for (const [key, value] of this.#changes ?? []) entries.set(key, value);
    return [...entries].filter(([, value]) => value !== null).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #write(key: string, value: string | null): void {
    if (this.#tenant.isReadOnly) throw fail('READ_ONLY_STANDBY', { tenant: this.#tenant.name });
    if (this.#changes) this.#changes.set(key, value);
    else this.#database.commit(new Map([[key, value]]));
  }
}
