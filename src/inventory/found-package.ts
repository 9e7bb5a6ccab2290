/** A package that a database of a root file system says is installed. */
export interface FoundPackage {
  /** Type of the package URL: "deb", "apk", "npm", "pypi" or "golang". */
  readonly type: string
  readonly name: string
  readonly version: string
  /** package-url specification. */
  readonly purl: string
  /** As it is stated, an SPDX expression or not. */
  readonly license?: string
  /** Who supplies it, "NAME <ADDRESS>" or "NAME". */
  readonly supplier?: string
}

/** The distribution that a root file system is of, from its os-release(5). */
export interface Distribution {
  readonly id: string
  /** VERSION_ID; absent in rolling distributions. */
  readonly version?: string
}

/** Leaves out what is empty or not stated. */
export function stated(
  license: string | undefined,
  supplier: string | undefined,
): Pick<FoundPackage, 'license' | 'supplier'> {
  const said = (text: string | undefined) => text !== undefined && !/^\s*(?:UNKNOWN|None)?\s*$/i.test(text)
  return {
    ...(said(license) ? { license: license?.trim() } : {}),
    ...(said(supplier) ? { supplier: supplier?.trim() } : {}),
  } as Pick<FoundPackage, 'license' | 'supplier'>
}
