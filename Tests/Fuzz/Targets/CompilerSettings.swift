/// Guards the compiler settings of Package.swift: a misspelt feature name there compiles silently and is off.
#if !hasFeature(ExistentialAny) || !hasFeature(MemberImportVisibility) || !hasFeature(InternalImportsByDefault) || !hasFeature(NonisolatedNonsendingByDefault)
    #error("an upcoming feature that Package.swift enables is off: look for a misspelt name")
#endif
