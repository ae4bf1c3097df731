export * from './journal.ts';
export * from './exit-record.ts';
