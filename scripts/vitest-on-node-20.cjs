// vitest's own process needs Map.groupBy (Node 21) to print failures. Only that process gets it, not the workers that run our code.
'use strict';

if (Map.groupBy === undefined && process.argv[1]?.endsWith('vitest.mjs')) {
  Map.groupBy = (items, keyOf) => {
    const groups = new Map();
    let index = 0;
    for (const item of items) {
      const key = keyOf(item, index++);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [item]);
      else group.push(item);
    }
    return groups;
  };
}
