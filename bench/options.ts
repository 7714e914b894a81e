// What a benchmark run is asked to do: sections, sizes, repeats.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const SECTIONS = ['backup', 'incremental', 'restore', 'archive', 'latency', 'tenants', 'sql', 's3', 'storm'] as const;
export type SectionName = (typeof SECTIONS)[number];
/** The storm installs its peer, and s3 needs an S3 server: only when they are asked for. */
const DEFAULT_SECTIONS = SECTIONS.filter((name) => name !== 'storm' && name !== 's3');

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

export const HELP = `npm run bench -- [section…] [options]     sections: ${SECTIONS.join(' ')} (default: all but s3, storm)
  --mb N             size of the sample database, in MB (10^6 bytes)        [1000]
  --runs N           repeats of everything; the table shows medians         [3]
  --seconds N        how long a writer writes in each case                  [20]
  --rate N           commits per second in the archive section              [300]
  --latency-rate N   commits per second in the latency section              [200]
  --tenants N        tenants in the tenants section                         [1000]
  --rounds N         kill -9 rounds in the storm section                    [20]
  --synchronous M    the writer's PRAGMA synchronous: NORMAL or FULL        [NORMAL]
  --dir DIR          where the temporary directory is made                  [the system's]
  --results DIR      where the JSON goes                                    [bench/results]
  --smoke            everything tiny, in seconds: proves that the benchmarks run, measures nothing
`;

export interface BenchOptions {
  sections: SectionName[];
  /** Sample database, 10^6 bytes. */
  databaseMb: number;
  runs: number;
  writerSeconds: number;
  archiveRate: number;
  latencyRate: number;
  /** Tenants in the tenants section. */
  tenants: number;
  stormRounds: number;
  synchronous: 'NORMAL' | 'FULL';
  /** Parent of the temporary directory; undefined takes the system's. */
  dir: string | undefined;
  /** undefined keeps the results in the temporary directory, which goes away. */
  resultsDir: string | undefined;
  isSmoke: boolean;
}

const SMOKE = { mb: '8', runs: '1', seconds: '2', tenants: '3', rounds: '2' } as const;
const FULL_SIZE = { mb: '1000', runs: '3', seconds: '20', tenants: '1000', rounds: '20' } as const;

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: not a whole number from 1`);
  return value;
}

/** @returns undefined when help was asked for. @throws Error with a sentence for a wrong argument */
export function parseOptions(args: string[]): BenchOptions | undefined {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      mb: { type: 'string' },
      runs: { type: 'string' },
      seconds: { type: 'string' },
      rate: { type: 'string', default: '300' },
      'latency-rate': { type: 'string', default: '200' },
      tenants: { type: 'string' },
      rounds: { type: 'string' },
      synchronous: { type: 'string', default: 'NORMAL' },
      dir: { type: 'string' },
      results: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const sections = positionals.map((text) => {
    const section = SECTIONS.find((name) => name === text);
    if (!section) throw new Error(`section ${text}: one of ${SECTIONS.join(', ')}`);
    return section;
  });
  const synchronous = (['NORMAL', 'FULL'] as const).find((mode) => mode === values.synchronous.toUpperCase());
  if (!synchronous) throw new Error(`--synchronous ${values.synchronous}: NORMAL or FULL`);
  const sizes = values.smoke ? SMOKE : FULL_SIZE;
  return {
    sections: sections.length > 0 ? sections : DEFAULT_SECTIONS,
    databaseMb: count('mb', values.mb ?? sizes.mb),
    runs: count('runs', values.runs ?? sizes.runs),
    writerSeconds: count('seconds', values.seconds ?? sizes.seconds),
    archiveRate: count('rate', values.rate),
    latencyRate: count('latency-rate', values['latency-rate']),
    tenants: count('tenants', values.tenants ?? sizes.tenants),
    stormRounds: count('rounds', values.rounds ?? sizes.rounds),
    synchronous,
    dir: values.dir,
    resultsDir: values.results ?? (values.smoke ? undefined : `${ROOT}bench/results`),
    isSmoke: values.smoke,
  };
}
