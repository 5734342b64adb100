package icformer.cli.command;

import java.util.Arrays;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * Token ids of the command line, such as {@code 1,15043,29892}.
 *
 * @param values the ids
 */
public record TokenIds(int[] values) {
    /** No token. */
    public static final TokenIds NONE = new TokenIds(new int[0]);

    public static final String DESCRIPTION = "Token ids, separated by commas.";

    /** Reads the text of an option. */
    public static final class Converter implements ITypeConverter<TokenIds> {
        @Override
        public TokenIds convert(String value) {
            if (value.isBlank()) {
                return NONE;
            }
            return new TokenIds(
                    Arrays.stream(value.split(",", -1)).mapToInt(Converter::id).toArray());
        }

        private static int id(String text) {
            try {
                return Integer.parseInt(text.strip());
            } catch (NumberFormatException e) {
                throw new TypeConversionException("'" + text + "' is no token id; ids are separated by commas");
            }
        }
    }
}
