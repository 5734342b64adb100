/**
 * JMH benchmarks on the demo pair: what a call costs, not what a large model takes (that is {@code icf bench}).
 *
 * <p>To run those whose name matches an expression:
 *
 * <pre>
 * mvn package -DskipTests -pl bench -am
 * java -jar bench/target/benchmarks/benchmarks.jar Calls
 * </pre>
 */
package icformer.bench;
