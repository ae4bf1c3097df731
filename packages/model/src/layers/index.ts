export * from './bytes.ts';
export * from './tar-types.ts';
export * from './tar-reader.ts';
export { headerBlock, joinBytes, paxRecord, sealHeader, tarEnd, tarEntry, tarHeader, tarPadding, type TarWriteEntry } from './tar-writer.ts';
export * from './extractor.ts';
export * from './names.ts';
export * from './layer-tree.ts';
export * from './memory-layers.ts';
export * from './changeset.ts';
