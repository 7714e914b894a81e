import { describe, expect, test } from 'vitest';
import { ROUND_MOVES, type RoundStatus } from '../model/archive-round.ts';
import { decideRoundStep, type RoundFacts, type RoundStep, STEP_ENDS } from './round-step.ts';

const STATUSES: Array<RoundStatus | null> = [null, ...(Object.keys(ROUND_MOVES) as RoundStatus[])];
const WANTED = ['ENABLE', 'DEFER', 'no destination', 'NOARCHIVELOG'] as const;
type Wanted = (typeof WANTED)[number];

function facts(status: RoundStatus | null, wanted: Wanted, over: Partial<RoundFacts> = {}): RoundFacts {
  return {
    status,
    isArchiveMode: wanted !== 'NOARCHIVELOG',
    hasDest: wanted !== 'no destination',
    destState: wanted === 'DEFER' ? 'DEFER' : 'ENABLE',
    isTenantNormal: true,
    isAttached: false,
    hasGap: false,
    isRestDue: false,
    isLeadDue: false,
    isRepaired: false,
    ...over,
  };
}

/** Every status and condition; [nothing attached, attached, gap]. */
const TABLE: Record<string, Record<Wanted, [RoundStep, RoundStep, RoundStep]>> = {
  none: {
    ENABLE: ['open', 'open', 'open'],
    DEFER: ['stay', 'stay', 'stay'],
    'no destination': ['stay', 'stay', 'stay'],
    NOARCHIVELOG: ['stay', 'stay', 'stay'],
  },
  STOP: {
    ENABLE: ['open', 'open', 'open'],
    DEFER: ['stay', 'stay', 'stay'],
    'no destination': ['stay', 'stay', 'stay'],
    NOARCHIVELOG: ['stay', 'stay', 'stay'],
  },
  PREPARE: {
    ENABLE: ['begin', 'begin', 'begin'],
    DEFER: ['begin', 'begin', 'begin'],
    'no destination': ['begin', 'begin', 'begin'],
    NOARCHIVELOG: ['begin', 'begin', 'begin'],
  },
  BEGINNING: {
    ENABLE: ['attach', 'attach', 'interrupt'],
    DEFER: ['attach', 'attach', 'interrupt'],
    'no destination': ['attach', 'attach', 'interrupt'],
    NOARCHIVELOG: ['close', 'close', 'close'],
  },
  DOING: {
    ENABLE: ['attach', 'stay', 'interrupt'],
    DEFER: ['defer', 'defer', 'defer'],
    'no destination': ['attach', 'stay', 'interrupt'],
    NOARCHIVELOG: ['close', 'close', 'close'],
  },
  INTERRUPTED: {
    ENABLE: ['stay', 'stay', 'stay'],
    DEFER: ['defer', 'defer', 'defer'],
    'no destination': ['stay', 'stay', 'stay'],
    NOARCHIVELOG: ['close', 'close', 'close'],
  },
  SUSPENDING: {
    ENABLE: ['pause', 'pause', 'pause'],
    DEFER: ['pause', 'pause', 'pause'],
    'no destination': ['pause', 'pause', 'pause'],
    NOARCHIVELOG: ['close', 'close', 'close'],
  },
  SUSPEND: {
    ENABLE: ['enable', 'enable', 'enable'],
    DEFER: ['stay', 'stay', 'stay'],
    'no destination': ['enable', 'enable', 'enable'],
    NOARCHIVELOG: ['close', 'close', 'close'],
  },
  STOPPING: {
    ENABLE: ['finish', 'finish', 'finish'],
    DEFER: ['finish', 'finish', 'finish'],
    'no destination': ['finish', 'finish', 'finish'],
    NOARCHIVELOG: ['finish', 'finish', 'finish'],
  },
};

describe('the next step of a round', () => {
  for (const status of STATUSES) {
    for (const wanted of WANTED) {
      test(`from ${status ?? 'none'}, when ${wanted} is wanted`, () => {
        const variants: Array<Partial<RoundFacts>> = [{}, { isAttached: true }, { isAttached: true, hasGap: true }];
        const steps = variants.map((over) => decideRoundStep(facts(status, wanted, over)));
        expect(steps).toEqual(TABLE[status ?? 'none']![wanted]);
      });
    }
  }

  test('ends only in states that the table of moves allows', () => {
    for (const status of STATUSES) {
      for (const wanted of WANTED) {
        for (const over of [{}, { isAttached: true }, { hasGap: true }]) {
          const step = decideRoundStep(facts(status, wanted, over));
          if (step === 'stay' || status === null || STEP_ENDS[step] === status) continue;
          if (step === 'open') expect(status).toBe('STOP');
          else expect(ROUND_MOVES[status], `${status} ${step}`).toContain(STEP_ENDS[step]);
        }
      }
    }
  });

  test('replaces an interrupted round where gaps are repaired, and only while a new one may begin', () => {
    const over = { isRepaired: true };
    expect(decideRoundStep(facts('INTERRUPTED', 'ENABLE', over))).toBe('replace');
    for (const wanted of ['DEFER', 'no destination'] as const)
      expect(decideRoundStep(facts('INTERRUPTED', wanted, over))).toBe('stay');
    expect(decideRoundStep(facts('INTERRUPTED', 'ENABLE', { ...over, isTenantNormal: false }))).toBe('stay');
    expect(decideRoundStep(facts('INTERRUPTED', 'NOARCHIVELOG', over))).toBe('close');
    for (const status of STATUSES.filter((other) => other !== 'INTERRUPTED')) {
      for (const wanted of WANTED)
        expect(decideRoundStep(facts(status, wanted, over))).toBe(decideRoundStep(facts(status, wanted)));
    }
  });

  test('lets a capture rest only while nothing else is wanted of the round', () => {
    for (const status of STATUSES) {
      for (const wanted of WANTED) {
        for (const over of [{}, { isAttached: true }, { isAttached: true, hasGap: true }]) {
          const step = decideRoundStep(facts(status, wanted, { ...over, isRestDue: true }));
          const without = decideRoundStep(facts(status, wanted, over));
          const isIdle = status === 'DOING' && over.isAttached === true && without === 'stay';
          expect(step, `${status} ${wanted}`).toBe(isIdle ? 'rest' : without);
        }
      }
    }
  });

  test('never opens a round or attaches for a tenant that is not NORMAL, but lets one end', () => {
    const over = { isTenantNormal: false };
    expect(decideRoundStep(facts(null, 'ENABLE', over))).toBe('stay');
    expect(decideRoundStep(facts('STOP', 'ENABLE', over))).toBe('stay');
    expect(decideRoundStep(facts('BEGINNING', 'ENABLE', over))).toBe('stay');
    expect(decideRoundStep(facts('DOING', 'ENABLE', over))).toBe('stay');
    expect(decideRoundStep(facts('DOING', 'NOARCHIVELOG', over))).toBe('close');
    expect(decideRoundStep(facts('STOPPING', 'NOARCHIVELOG', over))).toBe('finish');
  });
});
