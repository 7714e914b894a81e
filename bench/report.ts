// Gathers figures over the runs of a section, prints one table, writes one JSON file. Every value that was measured is
// in the file; the table shows the median and, in brackets, the smallest and the largest.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { formatTable } from '../src/client/result-table.ts';
import { VERSION } from '../src/version.ts';
import { type BenchOptions, ROOT } from './options.ts';
import { median, shortNumber } from './statistics.ts';

/** Figures of one case (a row) by their name with unit (a column), one value for each run. */
type Figures = Map<string, number[]>;

export class Report {
  readonly #section: string;
  readonly #cases = new Map<string, Figures>();
  readonly #notes: string[] = [];
  readonly #loadAtStart = loadavg()[0]!;
  readonly #startedAt = new Date().toISOString();

  constructor(section: string) {
    this.#section = section;
  }

  /** Adds what one run of a case measured. Keys are names with units. */
  add(name: string, figures: Record<string, number>): void {
    const known = this.#cases.get(name) ?? new Map<string, number[]>();
    this.#cases.set(name, known);
    for (const [measure, value] of Object.entries(figures)) known.set(measure, [...(known.get(measure) ?? []), value]);
    const text = Object.entries(figures).map(([measure, value]) => `${measure} ${shortNumber(value)}`);
    say(`   ${name}: ${text.join(', ')}`);
  }

  /** A sentence below the table. */
  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }

  print(): void {
    const measures = [...new Set([...this.#cases.values()].flatMap((figures) => [...figures.keys()]))];
    const rows = [...this.#cases].map(([name, figures]) => [
      name,
      ...measures.map((measure) => cell(figures.get(measure) ?? [])),
    ]);
    say(`\n== ${this.#section}: median (least to most)`);
    const columns = [this.#section, ...measures];
    process.stdout.write(formatTable({ columns, isNumeric: columns.map((_, at) => at > 0), rows }));
    for (const note of [...this.#notes, this.#loadNote()]) say(`   ${note}`);
  }

  /** @returns the file's path */
  write(dir: string, options: BenchOptions): string {
    mkdirSync(dir, { recursive: true });
    const stamp = this.#startedAt.slice(0, 19).replace('T', '-').replaceAll(':', '');
    const path = join(dir, `${this.#section}-${stamp}.json`);
    const cases = Object.fromEntries(
      [...this.#cases].map(([name, figures]) => [
        name,
        Object.fromEntries(
          [...figures].map(([measure, values]) => [
            measure,
            { median: median(values), min: Math.min(...values), max: Math.max(...values), values },
          ]),
        ),
      ]),
    );
    const { dir: _dir, resultsDir: _resultsDir, ...asked } = options;
    const facts = { section: this.#section, startedAt: this.#startedAt, version: VERSION, revision: revision() };
    const notes = [...this.#notes, this.#loadNote()];
    writeFileSync(path, `${JSON.stringify({ ...facts, machine: machine(), options: asked, notes, cases }, null, 2)}\n`);
    return path;
  }

  #loadNote(): string {
    const now = loadavg()[0]!;
    return `load of the machine (1 minute): ${this.#loadAtStart.toFixed(1)} at the start, ${now.toFixed(1)} at the end`;
  }
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function cell(values: readonly number[]): string {
  if (values.length === 0) return '';
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const middle = shortNumber(median(values));
  return values.length === 1 ? middle : `${middle} (${shortNumber(least)} to ${shortNumber(most)})`;
}

export function machine(): Record<string, unknown> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}

/** The commit that is checked out; undefined outside a repository. */
function revision(): string | undefined {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return undefined;
  }
}
