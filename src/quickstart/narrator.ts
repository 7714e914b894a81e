// Prints each statement and its answer as a client at the prompt would see them.
import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable, formatVertical } from '../client/result-table.ts';
import {
  type Answer,
  type ConnectOptions,
  connect,
  formatError,
  type SqlClient,
  toServerError,
} from '../client/sql-client.ts';

const POLL_MS = 200;
const WAIT_TIMEOUT_MS = 120_000;

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function chapter(title: string): void {
  say(`\n== ${title}`);
}

/** A logged-in user whose statements are shown. */
export class Narrator {
  readonly user: string;
  readonly #client: SqlClient;

  private constructor(user: string, client: SqlClient) {
    this.user = user;
    this.#client = client;
  }

  static async login({ host, port }: Pick<ConnectOptions, 'host' | 'port'>, user: string): Promise<Narrator> {
    return new Narrator(user, await connect({ host, port, user, password: '' }));
  }

  /** Runs a statement and prints statement and answer. `shown` replaces the printed text (a password). */
  async run(sql: string, options: { isVertical?: boolean; shown?: string } = {}): Promise<Answer> {
    say(`\n${this.user}> ${options.shown ?? sql}${options.isVertical ? '\\G' : ';'}`);
    const answer = await this.#client.run(sql);
    if (answer.kind === 'ok') {
      say(
        `Query OK, ${answer.affectedRows} rows affected${answer.warnings > 0 ? `, ${answer.warnings} warning${answer.warnings === 1 ? '' : 's'}` : ''}`,
      );
      if (answer.warnings > 0) await this.run('SHOW WARNINGS');
    } else if (answer.result.rows.length === 0) {
      say('Empty set');
    } else {
      process.stdout.write(options.isVertical ? formatVertical(answer.result) : formatTable(answer.result));
    }
    return answer;
  }

  /** Runs a statement that must fail with this number, and prints the error. */
  async refuse(sql: string, errno: number, options: { shown?: string } = {}): Promise<void> {
    say(`\n${this.user}> ${options.shown ?? sql};`);
    try {
      await this.#client.run(sql);
    } catch (error) {
      say(formatError(error));
      if (toServerError(error)?.errno === errno) return;
      throw error;
    }
    throw new Error(`the statement should have been refused with ${errno}`);
  }

  /** First value of the first row, without printing. */
  async value(sql: string): Promise<string> {
    const [row] = await this.#client.rows(sql);
    return Object.values(row ?? {})[0] ?? '';
  }

  /** Polls a query until `isDone` of its rows, showing each state through `show`. */
  async waitFor(
    sql: string,
    isDone: (rows: Array<Record<string, string | null>>) => boolean,
    show: (rows: Array<Record<string, string | null>>) => void = () => {},
  ): Promise<void> {
    for (let waitedMs = 0; waitedMs < WAIT_TIMEOUT_MS; waitedMs += POLL_MS) {
      const rows = await this.#client.rows(sql);
      show(rows);
      if (isDone(rows)) return;
      await sleep(POLL_MS);
    }
    throw new Error(`still waiting after ${WAIT_TIMEOUT_MS / 1000} s for: ${sql}`);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}
