// The newest results of the benchmark as tables for the READMEs and docs/benchmarks.md: between two marks in each page.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { shortNumber } from '../bench/statistics.ts';

const RESULTS = new URL('../bench/results/', import.meta.url);
const BEGIN = '<!-- the next lines are made by `npm run docs` from bench/results; do not edit -->';
const END = '<!-- until here -->';

interface Figure {
  median: number;
  min: number;
  max: number;
}

interface Result {
  section: string;
  startedAt: string;
  revision?: string;
  machine: { cpu: string; cores: number; memoryGib: number; node: string; platform: string };
  options: { databaseMb: number; runs: number };
  notes: string[];
  cases: Record<string, Record<string, Figure>>;
}

/** The newest result of each section. */
function newestResults(): Map<string, Result> {
  const newest = new Map<string, Result>();
  // Names begin with the section and go on with the time.
  for (const name of readdirSync(fileURLToPath(RESULTS)).sort()) {
    const result = JSON.parse(readFileSync(fileURLToPath(new URL(name, RESULTS)), 'utf8')) as Result;
    newest.set(result.section, result);
  }
  return newest;
}

function figureText({ median, min, max }: Figure): string {
  return min === max ? shortNumber(median) : `${shortNumber(median)} (${shortNumber(min)} to ${shortNumber(max)})`;
}

const nameText = (name: string): string => name.replaceAll('|', '\\|');

function table(columns: readonly string[], rows: ReadonlyArray<readonly string[]>): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map((_, at) => (at === 0 ? '---' : '--:'))), ...rows.map(line)];
}

interface Words {
  about: (result: Result) => string;
  /** Heading of the first column, by section. */
  work: Record<'backup' | 'restore', string>;
  speed: string;
  stored: string;
  times: string;
}

const day = ({ startedAt }: Result) => startedAt.slice(0, 10);
const machineText = ({ machine }: Result) =>
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, Node.js ${machine.node.slice(1)}, ${machine.platform}`;

const ENGLISH: Words = {
  about: (result) =>
    `${day(result)}, ${machineText(result)}; database of ${result.options.databaseMb} MB, medians of ${result.options.runs} runs (least to most):`,
  work: { backup: 'full backup', restore: 'restore' },
  speed: 'MB/s of the database',
  stored: 'stored, %',
  times: 'takes × the time of the first',
};

const CHINESE: Words = {
  about: (result) =>
    `${day(result)}，${machineText(result)}；数据库 ${result.options.databaseMb} MB，${result.options.runs} 次运行的中位数（最小 to 最大）：`,
  work: { backup: '全量备份', restore: '恢复' },
  speed: '数据库 MB/s',
  stored: '存储占比 %',
  times: '耗时是第一行的几倍',
};

/** Speeds of backup and restore, each tool a row. */
function speedTable(result: Result, words: Words): string[] {
  const isBackup = result.section === 'backup';
  const columns = [words.work[isBackup ? 'backup' : 'restore'], words.speed];
  const rows = Object.entries(result.cases).map(([name, figures]) => {
    const text = (measure: string) => (figures[measure] ? figureText(figures[measure]) : '');
    return [nameText(name), text('MB/s'), ...(isBackup ? [text('stored %')] : []), text('times its time')];
  });
  return table([...columns, ...(isBackup ? [words.stored] : []), words.times], rows);
}

function shortTables(results: Map<string, Result>, words: Words): string[] {
  const sections = ['backup', 'restore'].flatMap((section) => results.get(section) ?? []);
  return sections.flatMap((result) => [words.about(result), '', ...speedTable(result, words), '']);
}

/** Every section with every measure. */
function allTables(results: Map<string, Result>): string[] {
  return [...results.values()].flatMap((result) => {
    const { section, cases, notes, revision } = result;
    const measures = [...new Set(Object.values(cases).flatMap((figures) => Object.keys(figures)))];
    const rows = Object.entries(cases).map(([name, figures]) => [
      nameText(name),
      ...measures.map((measure) => (figures[measure] ? figureText(figures[measure]) : '')),
    ]);
    const about = `${ENGLISH.about(result).replace(/:$/, '')}${revision ? `; commit ${revision}` : ''}.`;
    return [
      `## ${section}`,
      '',
      about,
      '',
      ...table([section, ...measures], rows),
      '',
      ...notes.map((note) => `- ${note}`),
      '',
    ];
  });
}

function between(path: string, lines: readonly string[]): string {
  const text = readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${path} has no place for the tables of the benchmark`);
  return `${text.slice(0, from + BEGIN.length)}\n\n${lines.join('\n')}${text.slice(to)}`;
}

/** Pages with the newest tables, by path below the project. */
export function pagesWithBenchmarks(): Record<string, string> {
  const results = newestResults();
  return {
    'README.md': between('README.md', shortTables(results, ENGLISH)),
    'README.zh-CN.md': between('README.zh-CN.md', shortTables(results, CHINESE)),
    'docs/benchmarks.md': between('docs/benchmarks.md', allTables(results)),
  };
}
