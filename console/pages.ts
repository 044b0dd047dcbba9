// The files of the pages, by their paths, in base64. build.js puts them here; without it there are none, and the API works alone.

export const pages: Readonly<Record<string, string>> = {}
