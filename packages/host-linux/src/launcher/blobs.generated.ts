/** Written by scripts/build-launcher.mts from asm/*.S: do not edit. */
export interface LauncherBlob {
  /** Machine code in base64. */
  readonly code: string;
  /** Offsets in bytes: the function that clones, the entry point of a static ELF file, and the two words that it reads. */
  readonly launch: number;
  readonly start: number;
  readonly startWords: number;
  /** SHA-256 of the source. */
  readonly source: string;
}

export const LAUNCHER_BLOBS: Readonly<Record<'x64' | 'arm64', LauncherBlob>> = {
  x64: {
    code: 'U1VBVEFVQVZBV0mJ/02LdxBNi28YvwIAAABIjTWnAQAASYtXIEG6CAAAALgOAAAADwVJiz9Ji3cIuLMBAAAPBUiFwHQ3SInDvwIAAABJi3cgMdJBuggAAAC4DgAAAA8FSInYQV9BXkFdQVxdW8NMizVbAQAATIstXAEAAEmLXkBJi34I9sMBdANIiz9Ji3YQ9sMCdANIizZJi1YY9sMEdANIixJNi1Yg9sMIdANNixJNi0Yo9sMQdANNiwBNi04w9sMgdANNiwlJiwZIhcB4cg8FSD0B8P//cx5Ji044SIXJdANIiQFJi05ISIXJdQRJjU5YSYnO64RI99hIidlIwekQgeH//wAAdAQ5wXURSYtOUEiFyXQISYnO6V3///9JiUUATYl1CE2LdRBNhfYPhUj///+/fwAAALjnAAAADwXr90iD+P91DUgh10g590yJ0HWo65FIg/j+dQ5Ihf90hk2LdlDpE////0iD+P11BUiJ+OurSIP4/HUmuLMBAAAPBUiFwA+EXP///w+IaP///0mLTjhIhcl0A0iJATH/65lIg/j6dQlIjQQ36Sv///9Ig/j5dQRID6/+SIn46Rn///8PH4AAAAAA//////////8AAAAAAAAAAAAAAAAAAAAA',
    launch: 0, start: 110, startWords: 464,
    source: 'a9161a0de08f9f379667689e0563f0022212d39ebfc98f8df0b66e4743b204ad',
  },
  arm64: {
    code: '81O9qfVbAan3ewKp8wMAqnQKQPl1DkD5QACA0uEMABBiEkD5AwGA0ugQgNIBAADUYAJA+WEGQPloNoDSAQAA1OABALT3AwCqQACA0mESQPkCAIDSAwGA0ugQgNIBAADU4AMXqvd7Qqn1W0Gp81PDqMADX9ZpCgAQNFVAqZYiQPmAhkCpgo5BqYSWQqlWAAA2AABA+VYACDYhAED5VgAQNkIAQPlWABg2YwBA+VYAIDaEAED5VgAoNqUAQPmIAkD5iAP4twEAANQf/D+xIgEAVIkeQPlJAAC0IAEA+YkmQPlJAAC1iWIBkfQDCark//8X4AMAy8l+UNNpAAC0PwEA66EAAFSJKkD5aQAAtPQDCarb//8XoFIAqbQKQPkU+/+14A+A0sgLgNIBAADU/v//Fx8FALHBAABUAAACih8AAevgAwOqgf3/VOX//xcfCQCxgQAAVED8/7SUKkD5yP//Fx8NALGA/f9UHxEAsUEBAFRoNoDSAQAA1CD7/7Sg+/+3iR5A+UkAALQgAQD5AACA0uX//xcfGQCxYQAAVAAAAYvM//8XHx0AsUH5/1QAfAGbyP//Fx8gA9X//////////wAAAAAAAAAAAAAAAAAAAAA=',
    launch: 0, start: 116, startWords: 448,
    source: '4a57c14a3348f9447fa9396c38e5bfaf325e6267c3d0572d8f72b811c8412196',
  },
};
