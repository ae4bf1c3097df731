/** Types of stages.mjs, for the scripts in TypeScript. */
export declare const root: string;
export declare function findMachineNode(): string;
export declare function findPinnedNode(): string | undefined;
