// The benchmarks: `npm run bench -- [section…] [options]`, see options.ts. Each section repeats everything, prints one
// table of medians and writes one JSON file with every value.
import { join } from 'node:path';
import { archiveSection } from './archive-section.ts';
import { backupSection, restoreSection } from './backup-section.ts';
import { incrementalSection } from './incremental-section.ts';
import { latencySection } from './latency-section.ts';
import { type BenchOptions, HELP, parseOptions, type SectionName } from './options.ts';
import { machine, type Report, say } from './report.ts';
import { s3Section } from './s3-section.ts';
import { Scratch } from './scratch.ts';
import { sqlSection } from './sql-section.ts';
import { stormSection } from './storm-section.ts';
import { tenantsSection } from './tenants-section.ts';

const RUN: Record<SectionName, (scratch: Scratch, options: BenchOptions) => Promise<Report>> = {
  backup: backupSection,
  incremental: incrementalSection,
  restore: restoreSection,
  archive: archiveSection,
  latency: latencySection,
  tenants: tenantsSection,
  sql: sqlSection,
  s3: s3Section,
  storm: stormSection,
};

async function main(options: BenchOptions): Promise<void> {
  say(`Holdfast benchmarks on ${Object.values(machine()).join(', ')} GiB`.replace(' GiB', ''));
  await using scratch = new Scratch(options.dir);
  if (scratch.isInMemory) say('!! the temporary directory lies in memory: choose one on a disk with --dir');
  if (options.isSmoke) say('!! smoke run: these figures mean nothing');
  for (const section of options.sections) {
    say(`\n-- ${section}, ${options.runs} runs`);
    const report = await RUN[section](scratch, options);
    if (options.isSmoke) report.note('smoke run: these figures mean nothing');
    report.print();
    const path = report.write(options.resultsDir ?? join(scratch.dir, 'results'), options);
    if (options.resultsDir !== undefined) say(`   ${path}`);
  }
}

function readOptions(): BenchOptions | undefined {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

const options = readOptions();
if (options) await main(options);
else say(HELP);
