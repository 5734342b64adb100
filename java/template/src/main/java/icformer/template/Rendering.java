package icformer.template;

import java.time.Clock;
import java.util.List;
import java.util.Map;

/**
 * What is the same everywhere in one rendering.
 *
 * @param budget what is left of what it may cost
 * @param clock of {@code strftime_now}
 * @param blocks the template's blocks by name
 */
record Rendering(Budget budget, Clock clock, Map<String, List<Statement>> blocks) {}
