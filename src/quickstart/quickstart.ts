// `npm run quickstart`: the main job on real data, each statement printed with its result as a client would show it.
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../base/errors.ts';
import { runMainJob } from './main-job.ts';
import { say } from './narrator.ts';
import { type Background, startBackground } from './processes.ts';

const { values } = parseArgs({
  options: {
    exit: { type: 'boolean', default: false },
    port: { type: 'string', default: '2881' },
    dir: { type: 'string', default: '.holdfast/quickstart' },
    help: { type: 'boolean', default: false },
  },
});

const HELP = `npm run quickstart -- [--exit] [--port 2881] [--dir .holdfast/quickstart]
  --exit   stop server and sample application at the end
  --port   port of the server
  --dir    where everything is kept; emptied first
`;

async function isPortFree(host: string, port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolveFree) => {
    probe.once('error', () => resolveFree(false));
    probe.listen(port, host, () => probe.close(() => resolveFree(true)));
  });
}

function sayHowToConnect(host: string, port: number, dir: string, backgrounds: Background[]): void {
  say(`
The server goes on running, and so does the sample application. Connect with any MySQL client:

  mysql -h${host} -P${port} -uroot@sys               (the cluster's administrator; no password yet)
  mysql -h${host} -P${port} -uroot@mysql_tenant
  mysql -h${host} -P${port} -uSYS@oracle_tenant
  node dist/cli.js sql -u root@sys -P ${port}        (the client that comes with Holdfast)

Everything is kept in ${dir}
Stop both: kill ${backgrounds.map(({ pid }) => pid).join(' ')}`);
}

async function main(): Promise<void> {
  if (values.help) return say(HELP);
  const host = '127.0.0.1';
  const port = Number(values.port);
  const dir = resolve(values.dir);
  if (!(await isPortFree(host, port))) {
    throw new Error(
      `port ${port} is in use, perhaps by an earlier quick start. Stop that one, or choose another: npm run quickstart -- --port 2882`,
    );
  }
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(join(dir, 'app'), { recursive: true });
  const database = join(dir, 'app', 'app.db');
  const backgrounds: Background[] = [];
  try {
    say('== A sample application writes to its own SQLite file, 20 orders a second; it knows nothing of Holdfast');
    say(`   ${database}`);
    backgrounds.push(
      await startBackground('./sample-app.js', [database], { logPath: join(dir, 'app.log'), ready: 'writing' }),
    );
    say('== The server starts: holdfast serve --data-dir …');
    const args = ['serve', '--data-dir', join(dir, 'data'), '--listen', host, '--port', String(port)];
    backgrounds.push(
      await startBackground('../cli.js', args, { logPath: join(dir, 'server.log'), ready: 'holdfast ready' }),
    );
    say(`   holdfast ready: mysql ${host}:${port}`);
    await runMainJob({ host, port, database, backupDir: join(dir, 'backup') });
  } catch (error) {
    for (const background of backgrounds.reverse()) await background.stop();
    throw error;
  }
  if (values.exit) {
    for (const background of backgrounds.reverse()) await background.stop();
    say('\nServer and sample application are stopped.');
  } else {
    sayHowToConnect(host, port, dir, backgrounds);
    for (const background of backgrounds) background.release();
    await sleep(0);
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`\nquick start failed: ${messageOf(error)}\n`);
    process.exit(1);
  },
);
