/** Written by scripts/build-launcher.mts from asm/*.S: do not edit. `code` is base64, `launch` and `walk` are offsets in bytes, `source` the SHA-256 of the source. */
export interface LauncherBlob {
  readonly code: string;
  readonly launch: number;
  readonly walk: number;
  readonly source: string;
}

export const LAUNCHER_BLOBS: Readonly<Record<'x64' | 'arm64', LauncherBlob>> = {
  x64: {
    code: 'U1VBVEFVQVZBV0mJ/02LdxBNi28YvwIAAABIjTVvAQAASYtXIEG6CAAAALgOAAAADwVJiz9Ji3cIuLMBAAAPBUiFwHQpSInDvwIAAABJi3cgMdJBuggAAAC4DgAAAA8FSInYQV9BXkFdQVxdW8NJi15ASYt+CPbDAXQDSIs/SYt2EPbDAnQDSIs2SYtWGPbDBHQDSIsSTYtWIPbDCHQDTYsSTYtGKPbDEHQDTYsATYtOMPbDIHQDTYsJSYsGSIXAeGUPBUg9AfD//3MeSYtOOEiFyXQDSIkBSYtOSEiFyXUESY1OWEmJzuuESPfYSInZSMHpEIHh//8AAHQEOcF1EUmLTlBIhcl0CEmJzuld////SYlFAE2JdQi/fwAAALjnAAAADwXr90iD+P91DUgh10g590yJ0HW1655Ig/j+dQ5Ihf90k02LdlDpIP///0iD+P11BUiJ+Ou4SIP4/HUmuLMBAAAPBUiFwA+Eaf///w+Idf///0mLTjhIhcl0A0iJATH/65lIifjpP////w8fAP//////////',
    launch: 0, walk: 110,
    source: '845afe3a1af8eedc4b91abc7338c18f3fa7511da4e6ea1144e84dcfc859ad6cb',
  },
  arm64: {
    code: '81O9qfVbAan3ewKp8wMAqnQKQPl1DkD5QACA0mELABBiEkD5AwGA0ugQgNIBAADUYAJA+WEGQPloNoDSAQAA1AAAALT3AwCqQACA0mESQPkCAIDSAwGA0ugQgNIBAADU4AMXqvd7Qqn1W0Gp81PDqMADX9aWIkD5gIZAqYKOQamElkKpVgAANgAAQPlWAAg2IQBA+VYAEDZCAED5VgAYNmMAQPlWACA2hABA+VYAKDalAED5iAJA+UgD+LcBAADUH/w/sSIBAFSJHkD5SQAAtCABAPmJJkD5SQAAtYliAZH0AwmqAAAAFOADAMvJflDTaQAAtD8BAOuhAABUiSpA+WkAALT0AwmqAAAAFKBSAKngD4DSyAuA0gEAANT+//8XHwUAscEAAFQAAAKKHwAB6+ADA6rB/f9U5///Fx8JALGBAABUgPz/tJQqQPkAAAAUHw0AscD9/1QfEQCxYfv/VGg2gNIBAADUYPv/tOD7/7eJHkD5SQAAtCABAPkAAIDS5f//Fx8gA9X//////////w==',
    launch: 0, walk: 116,
    source: '67e2acb81ba8ccd34367acb209909b97df539fbfb2c71501eed73803715b6ec7',
  },
};
