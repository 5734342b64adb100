package icformer;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.ArchConfiguration;
import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Imports point one way: public types, the internal packages, the bindings; values and exceptions are below them all. */
class ArchitectureTest {
    /** What every package may speak in: they depend on nothing but one another. */
    private static final Set<Class<?>> VALUES = Set.of(
            Checks.class, Device.class, DigesterInfo.class, DigesterOptions.class, IcfException.class, KvType.class,
            MapMetadata.class, Marker.class, Metadata.class, ModelFileException.class, ModelInfo.class, ModelOptions.class,
            Outputs.class, RowType.class, Sampling.class, SessionInfo.class, SessionOptions.class, Status.class);

    private static JavaClasses imported;

    @BeforeAll
    static void readClasses() {
        // what the JDK's classes depend on is no matter here, and takes long to find out
        ArchConfiguration.get().setResolveMissingDependenciesFromClassPath(false);
        imported = new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .importPackages("icformer");
        ArchConfiguration.get().reset();
    }

    @Test
    void everyPackageIsLookedAt() {
        assertThat(imported.stream().map(JavaClass::getPackageName))
                .contains(
                        "icformer",
                        "icformer.bindings",
                        "icformer.internal.ffi",
                        "icformer.internal.format",
                        "icformer.internal.tokenizer");
    }

    @Test
    void onlyFfiTouchesTheBindings() {
        noClasses()
                .that()
                .resideOutsideOfPackages("icformer.internal.ffi", "icformer.bindings")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("icformer.bindings")
                .check(imported);
    }

    @Test
    void internalPackagesKnowOnlyTheValues() {
        noClasses()
                .that()
                .resideInAPackage("icformer.internal..")
                .should()
                .dependOnClassesThat(resideInAPackage("icformer").and(not(isValue())))
                .check(imported);
    }

    @Test
    void valuesKnowNothing() {
        noClasses()
                .that(isValue())
                .should()
                .dependOnClassesThat(resideInAPackage("icformer..").and(not(isValue())))
                .check(imported);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().assignedFrom(new ValuesApart()).should().beFreeOfCycles().check(imported);
    }

    /** A value, something nested in one, or an array of them. */
    private static DescribedPredicate<JavaClass> isValue() {
        Set<String> names = VALUES.stream().map(Class::getName).collect(Collectors.toSet());
        return DescribedPredicate.describe(
                "are values", type -> names.contains(type.getBaseComponentType().getName().replaceFirst("\\$.*", "")));
    }

    /** The packages, with the values as a package of their own. */
    private static final class ValuesApart implements SliceAssignment {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass type) {
            return SliceIdentifier.of(isValue().test(type) ? "values" : type.getPackageName());
        }

        @Override
        public String getDescription() {
            return "packages, values apart";
        }
    }

    @Test
    void publicMethodsShowNothingInternal() {
        methods()
                .that()
                .areDeclaredInClassesThat(resideInAPackage("icformer").and(isPublic()))
                .and()
                .arePublic()
                .should(new ArchCondition<>("have signatures of public types") {
                    @Override
                    public void check(JavaMethod method, ConditionEvents events) {
                        types(method)
                                .filter(type -> type.getPackageName().startsWith("icformer.")
                                        || isForeign(type)
                                        || type.getPackageName().equals("icformer") && !isPublic().test(type))
                                .forEach(type -> events.add(SimpleConditionEvent.violated(
                                        method, method.getFullName() + " shows " + type.getName())));
                    }
                })
                .check(imported);
    }

    @Test
    void publicClassesAreFinal() {
        classes()
                .that(resideInAPackage("icformer").and(isPublic()))
                .and()
                .areNotInterfaces()
                .and()
                .areNotEnums()
                .should()
                .haveModifier(JavaModifier.FINAL)
                .check(imported);
    }

    private static DescribedPredicate<JavaClass> isPublic() {
        return DescribedPredicate.describe(
                "public",
                type -> type.getModifiers().contains(JavaModifier.PUBLIC)
                        && type.getEnclosingClass().map(isPublic()::test).orElse(true));
    }

    private static Stream<JavaClass> types(JavaMethod method) {
        return Stream.concat(Stream.of(method.getReturnType()), method.getParameterTypes().stream())
                .flatMap(type -> type.getAllInvolvedRawTypes().stream());
    }

    /** Memory and its owner are the only words of java.lang.foreign that users need. */
    private static boolean isForeign(JavaClass type) {
        Set<String> allowed =
                Stream.of(MemorySegment.class, Arena.class).map(Class::getName).collect(Collectors.toSet());
        return type.getPackageName().equals("java.lang.foreign") && !allowed.contains(type.getName());
    }
}
