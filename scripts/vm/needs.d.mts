export function missingForMachine(): string | undefined;
