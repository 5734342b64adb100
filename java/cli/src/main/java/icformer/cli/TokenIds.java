package icformer.cli;

import java.util.Arrays;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * Token ids of the command line, such as {@code 1,15043,29892}.
 *
 * @param values the ids
 */
record TokenIds(int[] values) {
    /** No token. */
    static final TokenIds NONE = new TokenIds(new int[0]);

    static final String DESCRIPTION = "Token ids, separated by commas.";

    /** Reads the text of an option. */
    static final class Converter implements ITypeConverter<TokenIds> {
        @Override
        public TokenIds convert(String value) {
            if (value.isBlank()) {
                return NONE;
            }
            return new TokenIds(Arrays.stream(value.split(",", -1)).mapToInt(Converter::id).toArray());
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
