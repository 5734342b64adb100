package icformer.cli.command;

import icformer.cli.console.ClosedOutputException;
import icformer.cli.console.CommandException;
import icformer.error.IcfException;
import icformer.error.ModelFileException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** What a failure looks like: one line on standard error. */
public final class Failures {
    public static final int SUCCEEDED = 0;
    public static final int FAILED = 1;
    public static final int USAGE = 2;

    private Failures() {}

    /** Wrong usage: what is wrong, what is meant perhaps, and where help is. */
    public static int handleUsage(ParameterException e, String[] args) {
        PrintWriter err = e.getCommandLine().getErr();
        String name = e.getCommandLine().getCommandSpec().qualifiedName();
        err.println(name + ": " + oneLine(e.getMessage()));
        UnmatchedArgumentException.printSuggestions(e, err);
        err.println("Try '" + name + " --help'.");
        err.flush();
        return USAGE;
    }

    /** Any other failure. */
    public static int handleFailure(Exception e, CommandLine line, @Nullable ParseResult result) {
        if (e instanceof ClosedOutputException) {
            return SUCCEEDED; // whoever read the output has seen enough of it
        }
        PrintWriter err = line.getErr();
        err.println(line.getCommandSpec().qualifiedName() + ": " + describe(e));
        if (result != null && isVerbose(result)) {
            StringWriter trace = new StringWriter();
            e.printStackTrace(new PrintWriter(trace, true));
            err.print(trace);
        }
        err.flush();
        return FAILED;
    }

    private static boolean isVerbose(ParseResult result) {
        ParseResult last = result;
        while (last.hasSubcommand()) {
            last = last.subcommand();
        }
        return last.hasMatchedOption("--verbose");
    }

    /** One sentence that names the file and the reason. */
    public static String describe(Throwable e) {
        return oneLine(
                switch (e) {
                    case CommandException command -> command.getMessage();
                    case IcfException icf -> icf.getMessage();
                    case ModelFileException file -> withFile(file.path().toString(), file.getMessage());
                    case NoSuchFileException file ->
                        file.getReason() == null
                                ? file.getFile() + ": no such file"
                                : file.getFile() + ": " + file.getReason();
                    case AccessDeniedException file -> file.getFile() + ": permission denied";
                    case FileAlreadyExistsException file -> file.getFile() + ": exists already; --force replaces it";
                    case DirectoryNotEmptyException file -> file.getFile() + ": is a folder";
                    case FileSystemException file ->
                        file.getFile() + ": " + (file.getReason() == null ? "cannot be used" : file.getReason());
                    case UncheckedIOException unchecked
                    when unchecked.getCause() != null -> describe(unchecked.getCause());
                    case IOException io -> io.getMessage() == null ? io.toString() : io.getMessage();
                    default -> "internal error: " + e + "; --verbose shows where";
                });
    }

    private static String withFile(String file, @Nullable String message) {
        if (message == null) {
            return file + ": cannot be used";
        }
        return message.contains(file) ? message : file + ": " + message;
    }

    private static String oneLine(@Nullable String text) {
        return text == null ? "" : text.strip().replaceAll("\\s*\\R\\s*", " ");
    }
}
