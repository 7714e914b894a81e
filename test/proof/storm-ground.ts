// What the parts of a kill storm stand on: the server and a session of it, the seed's choices, and the figures.
import type { Connection } from 'mysql2/promise';
import { backUp, type HoldfastFixture } from '../e2e/holdfast-fixture.ts';
import type { SeededRandom } from './seeded-random.ts';
import { noFigures, type StormFigures } from './storm-figures.ts';
import type { TenantUnderTest } from './tenant-under-test.ts';

export class StormGround {
  readonly fixture: HoldfastFixture;
  readonly random: SeededRandom;
  readonly say: (text: string) => void;
  readonly figures: StormFigures = noFigures();
  /** A session of the sys tenant; another one after each start. */
  sys: Connection;
  round = 0;

  constructor(fixture: HoldfastFixture, of: { sys: Connection; random: SeededRandom; say: (text: string) => void }) {
    this.fixture = fixture;
    this.random = of.random;
    this.say = of.say;
    this.sys = of.sys;
  }

  fail(where: string, what: string): void {
    const text = `round ${this.round}, ${where}: ${what}`;
    this.figures.failures.push(text);
    this.say(`!! ${text}`);
  }

  /** Something that was archived is not there. */
  lose(tenant: TenantUnderTest, what: string): void {
    this.figures.lost++;
    this.fail(tenant.name, `LOST: ${what}`);
  }

  /** Something is wrong, and the server did not say so. */
  undetected(tenant: TenantUnderTest, what: string): void {
    this.figures.undetected++;
    this.fail(tenant.name, `WRONG: ${what}`);
  }

  async backUp(tenant: TenantUnderTest, kind: 'FULL' | 'INCREMENTAL'): Promise<void> {
    const [job] = await backUp(
      this.sys,
      `ALTER SYSTEM BACKUP ${kind === 'FULL' ? '' : 'INCREMENTAL '}TENANT = ${tenant.name}`,
    );
    if (job?.STATUS !== 'COMPLETED') this.fail(tenant.name, `a backup ended as ${job?.STATUS}: ${job?.COMMENT}`);
  }

  /** Where a tenant is restored from. */
  from({ name }: TenantUnderTest): string {
    return `FROM '${this.fixture.uri('backup', name, 'data')},${this.fixture.uri('backup', name, 'archive')}'`;
  }
}
