package icformer.cli;

import java.util.Arrays;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Token ids of the command line, such as {@code 1,15043,29892}. */
final class TokenIds implements ITypeConverter<int[]> {
    static final String DESCRIPTION = "Token ids, separated by commas.";

    @Override
    public int[] convert(String value) {
        try {
            return value.isBlank()
                    ? new int[0]
                    : Arrays.stream(value.split(",", -1)).map(String::strip).mapToInt(Integer::parseInt).toArray();
        } catch (NumberFormatException e) {
            throw new TypeConversionException("'" + value + "' are no token ids separated by commas");
        }
    }
}
