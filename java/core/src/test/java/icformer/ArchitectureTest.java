package icformer;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Imports point one way: from what users call to what it stands on. */
class ArchitectureTest {
    /** Every package of the library; each knows only those that stand after it. */
    private static final List<String> FROM_TOP_TO_BOTTOM = List.of(
            "icformer.eval",
            "icformer",
            "icformer.template",
            "icformer.convert",
            "icformer.files",
            "icformer.text",
            "icformer.internal.tokenizer",
            "icformer.internal.gguf",
            "icformer.metadata",
            "icformer.internal.json",
            "icformer.internal.ffi",
            "icformer.bindings",
            "icformer.internal.base",
            "icformer.error");

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
    void everyPackageHasItsPlace() {
        assertThat(imported.stream().map(JavaClass::getPackageName).distinct())
                .containsExactlyInAnyOrderElementsOf(FROM_TOP_TO_BOTTOM);
    }

    @Test
    void packagesKnowOnlyThoseBelowThem() {
        for (int i = 1; i < FROM_TOP_TO_BOTTOM.size(); i++) {
            noClasses()
                    .that()
                    .resideInAPackage(FROM_TOP_TO_BOTTOM.get(i))
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(FROM_TOP_TO_BOTTOM.subList(0, i).toArray(String[]::new))
                    .check(imported);
        }
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
    void publicMethodsShowNothingInternal() {
        methods()
                .that()
                .areDeclaredInClassesThat(isExported().and(isPublic()))
                .and()
                .arePublic()
                .should(new ArchCondition<>("have signatures of public types") {
                    @Override
                    public void check(JavaMethod method, ConditionEvents events) {
                        types(method)
                                .filter(type -> isForeign(type)
                                        || type.getPackageName().startsWith("icformer")
                                                && !isExported().and(isPublic()).test(type))
                                .forEach(type -> events.add(SimpleConditionEvent.violated(
                                        method, method.getFullName() + " shows " + type.getName())));
                    }
                })
                .check(imported);
    }

    @Test
    void publicClassesAreFinal() {
        classes()
                .that(isExported().and(isPublic()))
                .and()
                .areNotInterfaces()
                .and()
                .areNotEnums()
                .should()
                .haveModifier(JavaModifier.FINAL)
                .check(imported);
    }

    private static DescribedPredicate<JavaClass> isExported() {
        return resideInAPackage("icformer..")
                .and(not(resideInAnyPackage("icformer.internal..", "icformer.bindings", "icformer.template")));
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
