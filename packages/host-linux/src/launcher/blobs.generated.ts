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
    code: 'U1VBVEFVQVZBV0mJ/02LdxBNi28YvwIAAABIjTWPAQAASYtXIEG6CAAAALgOAAAADwVJiz9Ji3cIuLMBAAAPBUiFwHQ3SInDvwIAAABJi3cgMdJBuggAAAC4DgAAAA8FSInYQV9BXkFdQVxdW8NMizVDAQAATIstRAEAAEmLXkBJi34I9sMBdANIiz9Ji3YQ9sMCdANIizZJi1YY9sMEdANIixJNi1Yg9sMIdANNixJNi0Yo9sMQdANNiwBNi04w9sMgdANNiwlJiwZIhcB4ZQ8FSD0B8P//cx5Ji044SIXJdANIiQFJi05ISIXJdQRJjU5YSYnO64RI99hIidlIwekQgeH//wAAdAQ5wXURSYtOUEiFyXQISYnO6V3///9JiUUATYl1CL9/AAAAuOcAAAAPBev3SIP4/3UNSCHXSDn3TInQdbXrnkiD+P51DkiF/3STTYt2UOkg////SIP4/XUFSIn467hIg/j8dSa4swEAAA8FSIXAD4Rp////D4h1////SYtOOEiFyXQDSIkBMf/rmUiD+Pp1CUiNBDfpOP///0iJ+Okw////Zg8fRAAA//////////8AAAAAAAAAAAAAAAAAAAAA',
    launch: 0, start: 110, startWords: 440,
    source: 'e54320e436ada8b162e1229ed21d8cd0683a5238c35b282c444ea18cd7e559db',
  },
  arm64: {
    code: '81O9qfVbAan3ewKp8wMAqnQKQPl1DkD5QACA0iEMABBiEkD5AwGA0ugQgNIBAADUYAJA+WEGQPloNoDSAQAA1OABALT3AwCqQACA0mESQPkCAIDSAwGA0ugQgNIBAADU4AMXqvd7Qqn1W0Gp81PDqMADX9apCQAQNFVAqZYiQPmAhkCpgo5BqYSWQqlWAAA2AABA+VYACDYhAED5VgAQNkIAQPlWABg2YwBA+VYAIDaEAED5VgAoNqUAQPmIAkD5SAP4twEAANQf/D+xIgEAVIkeQPlJAAC0IAEA+YkmQPlJAAC1iWIBkfQDCark//8X4AMAy8l+UNNpAAC0PwEA66EAAFSJKkD5aQAAtPQDCarb//8XoFIAqeAPgNLIC4DSAQAA1P7//xcfBQCxwQAAVAAAAoofAAHr4AMDqsH9/1Tn//8XHwkAsYEAAFSA/P+0lCpA+cr//xcfDQCxwP3/VB8RALFBAQBUaDaA0gEAANRg+/+04Pv/t4keQPlJAAC0IAEA+QAAgNLl//8XHxkAsQH6/1QAAAGLzv//Fx8gA9X//////////wAAAAAAAAAAAAAAAAAAAAA=',
    launch: 0, start: 116, startWords: 424,
    source: '3a61c7893c3dc8c8126ff75d07fe8d46b21b32fb393ddd07964647349e831c71',
  },
};
