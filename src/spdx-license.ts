import { createHash } from 'node:crypto'

export interface StatedLicense {
  /** An SPDX licence expression. */
  readonly expression: string
  /** The text that the expression stands for, where it is none of the SPDX licence list. */
  readonly extracted?: { readonly licenseId: string; readonly extractedText: string }
}

/** Those of the SPDX licence list that packages state most; what is not here is stated as the text that it is. */
const KNOWN = new Set(
  (
    '0BSD AFL-2.1 AGPL-3.0-only AGPL-3.0-or-later Apache-1.1 Apache-2.0 Artistic-1.0-Perl Artistic-2.0 BlueOak-1.0.0 ' +
    'BSD-1-Clause BSD-2-Clause BSD-3-Clause BSD-4-Clause BSL-1.0 bzip2-1.0.6 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-4.0 CC0-1.0 ' +
    'curl EPL-1.0 EPL-2.0 FTL GPL-1.0-only GPL-1.0-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later ' +
    'HPND ICU IJG ISC LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later ' +
    'Libpng libtiff MIT MIT-0 MPL-1.1 MPL-2.0 MS-PL NCSA OFL-1.1 OLDAP-2.8 OpenSSL PostgreSQL PSF-2.0 Python-2.0 Ruby ' +
    'SGI-B-2.0 Sleepycat TCL Unicode-DFS-2016 Unlicense UPL-1.0 Vim W3C WTFPL X11 Zlib ZPL-2.1'
  ).split(' '),
)

/** The licence as the package states it: an expression of known licences as such, everything else as a reference to its text. */
export function licenseOf(text: string | undefined): StatedLicense {
  if (text === undefined) return { expression: 'NOASSERTION' }
  if (isExpression(text)) return { expression: text }
  const licenseId = `LicenseRef-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
  return { expression: licenseId, extracted: { licenseId, extractedText: text } }
}

/** Known licences with AND and OR between them and parentheses around; exceptions (WITH) are taken as texts. */
function isExpression(text: string): boolean {
  const tokens = text.match(/[()]|[^\s()]+/g) ?? []
  let depth = 0
  let wantsLicense = true
  for (const token of tokens) {
    if (token === '(' && wantsLicense) depth += 1
    else if (token === ')' && !wantsLicense && depth > 0) depth -= 1
    else if ((token === 'AND' || token === 'OR') && !wantsLicense) wantsLicense = true
    else if (KNOWN.has(token) && wantsLicense) wantsLicense = false
    else return false
  }
  return depth === 0 && !wantsLicense
}
