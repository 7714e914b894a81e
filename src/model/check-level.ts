// How thoroughly an engine checks a restored database: its structure, also indexes against their tables, or not at all.

export const CHECK_LEVELS = ['quick', 'full', 'none'] as const;
export type CheckLevel = (typeof CHECK_LEVELS)[number];
