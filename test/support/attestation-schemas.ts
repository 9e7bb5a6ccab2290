import * as v from 'valibot'

const Text = v.pipe(v.string(), v.nonEmpty())
const Time = v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/))
const Id = v.pipe(v.string(), v.regex(/^SPDXRef-[A-Za-z\d.-]+$/))
const Agent = v.union([v.literal('NOASSERTION'), v.pipe(v.string(), v.regex(/^(?:Person|Organization): \S/))])
const Sha = v.object({ sha256: v.pipe(v.string(), v.regex(/^[\da-f]{64}$/)) })

/** What an SPDX 2.3 document of OSSB's is beyond its published schema: the members that OSSB writes, and the texts in them. */
export const SpdxDocument = v.strictObject({
  spdxVersion: v.literal('SPDX-2.3'),
  dataLicense: v.literal('CC0-1.0'),
  SPDXID: v.literal('SPDXRef-DOCUMENT'),
  name: Text,
  documentNamespace: v.pipe(v.string(), v.url(), v.regex(/^[^#]+$/)),
  creationInfo: v.strictObject({
    created: v.pipe(Time, v.regex(/:\d\dZ$/)),
    creators: v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^(?:Tool|Person|Organization): \S/))),
      v.minLength(1),
    ),
  }),
  packages: v.array(
    v.strictObject({
      SPDXID: Id,
      name: Text,
      versionInfo: v.optional(Text),
      supplier: v.optional(Agent),
      downloadLocation: Text,
      filesAnalyzed: v.literal(false),
      sourceInfo: v.optional(Text),
      primaryPackagePurpose: v.optional(v.literal('CONTAINER')),
      licenseConcluded: Text,
      licenseDeclared: Text,
      copyrightText: Text,
      externalRefs: v.optional(
        v.array(
          v.strictObject({
            referenceCategory: v.literal('PACKAGE-MANAGER'),
            referenceType: v.literal('purl'),
            referenceLocator: v.pipe(v.string(), v.regex(/^pkg:[a-z]+\/[^\s@?]+(?:@[^\s?]+)?(?:\?\S+)?$/)),
          }),
        ),
      ),
    }),
  ),
  hasExtractedLicensingInfos: v.optional(
    v.array(
      v.strictObject({
        licenseId: v.pipe(v.string(), v.regex(/^LicenseRef-[A-Za-z\d.-]+$/)),
        extractedText: Text,
      }),
    ),
  ),
  relationships: v.array(
    v.strictObject({
      spdxElementId: Id,
      relationshipType: v.picklist(['DESCRIBES', 'CONTAINS']),
      relatedSpdxElement: Id,
    }),
  ),
})

/** An in-toto statement (v1). */
export const Statement = v.strictObject({
  _type: v.literal('https://in-toto.io/Statement/v1'),
  subject: v.pipe(v.array(v.strictObject({ name: Text, digest: Sha })), v.minLength(1)),
  predicateType: v.pipe(v.string(), v.url()),
  predicate: v.looseObject({}),
})

const Dependency = v.strictObject({
  uri: Text,
  digest: v.record(v.string(), v.pipe(v.string(), v.regex(/^[\da-f]+$/))),
})

/** SLSA provenance (v1): members beside these are the builder's own, and are BuildKit's. */
export const Provenance = v.strictObject({
  buildDefinition: v.strictObject({
    buildType: v.pipe(v.string(), v.url()),
    externalParameters: v.looseObject({}),
    internalParameters: v.looseObject({}),
    resolvedDependencies: v.array(Dependency),
  }),
  runDetails: v.strictObject({
    builder: v.strictObject({ id: v.string() }),
    metadata: v.looseObject({
      invocationId: v.optional(Text),
      startedOn: v.optional(Time),
      finishedOn: v.optional(Time),
    }),
  }),
})
