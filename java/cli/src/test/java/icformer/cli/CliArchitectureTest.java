package icformer.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.ArchConfiguration;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** From the entry through groups of commands, which know nothing of each other, to what they have in common. */
class CliArchitectureTest {
    private static final String ENTRY = "icformer.cli";
    private static final String[] GROUPS = {
        "icformer.cli.answer", "icformer.cli.bench", "icformer.cli.dump", "icformer.cli.eval", "icformer.cli.files"
    };
    private static final String COMMAND = "icformer.cli.command";
    private static final String CONSOLE = "icformer.cli.console";

    private static JavaClasses imported;

    @BeforeAll
    static void readClasses() {
        ArchConfiguration.get().setResolveMissingDependenciesFromClassPath(false);
        imported = new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .importPackages("icformer.cli");
        ArchConfiguration.get().reset();
    }

    @Test
    void everyPackageHasItsPlace() {
        assertThat(imported.stream().map(JavaClass::getPackageName).distinct())
                .containsExactlyInAnyOrder(Stream.concat(Stream.of(GROUPS), Stream.of(ENTRY, COMMAND, CONSOLE))
                        .toArray(String[]::new));
    }

    @Test
    void groupsKnowNeitherEachOtherNorTheEntry() {
        for (String group : GROUPS) {
            knowNothingOf(
                    new String[] {group},
                    Stream.of(GROUPS).filter(other -> !other.equals(group)).toArray(String[]::new));
        }
        knowNothingOf(GROUPS, ENTRY);
    }

    @Test
    void whatIsCommonKnowsNoCommand() {
        knowNothingOf(new String[] {COMMAND, CONSOLE}, GROUPS);
        knowNothingOf(new String[] {COMMAND, CONSOLE}, ENTRY);
        knowNothingOf(new String[] {CONSOLE}, COMMAND);
    }

    private static void knowNothingOf(String[] packages, String... others) {
        noClasses()
                .that()
                .resideInAnyPackage(packages)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(others)
                .check(imported);
    }
}
