/*
 * Multilayer perceptron with 8-bit weights, C99. Needs math.h (-lm), and allocates no memory.
 *
 *     int skmlp_predict(const {{ feature_type }} *{{ features }}, float *probabilities);
 *
{% if multilabel %}
 * Stores the probability of each label, and returns the number of labels whose probability is above 0.5.
{% else %}
 * Stores the probability of each class, and returns the index of the most probable class in skmlp_classes.
{% endif %}
{% if image_shape %}
 * The {{ features }} are the {{ image_shape[0] }} x {{ image_shape[1] }} pixels of an image, row by row{% if feature_type == "uint8_t" %}, from 0 for the background to {{ largest }} for ink{% endif %}.
{% else %}
 * The {{ features }} are {{ n_features }} values{% if feature_type == "uint8_t" %} from 0 to {{ largest }}{% endif %}, in the order of training.
{% endif %}
{% if steps %}
 * The image is converted as in the Pipeline of the model before the network reads it: {{ steps | join(", ", attribute="function") }}.
{% endif %}
 *
{% if inputs %}
 * The network reads the strength of the gradient in eight directions around {{ inputs.n_rows }} x {{ inputs.n_columns }} points of the image{% if inputs.includes_pixels %}, and the pixels{% endif %}.
{% endif %}
 * Constants: {{ "{:,}".format(footprint.constants) }} bytes. Stack: {{ "{:,}".format(footprint.stack) }} bytes for {{ stack_contents }}.
 * Model: {{ info.digest }}
 * Written by skmlp {{ info.version }}.
 */

#include <math.h>
#include <stdint.h>

#define SKMLP_N_FEATURES {{ n_features }}
#define SKMLP_N_CLASSES {{ labels | length }}

extern const char *const skmlp_classes[SKMLP_N_CLASSES];
extern const char skmlp_digest[];
int skmlp_predict(const {{ feature_type }} *{{ features }}, float *probabilities);

const char skmlp_digest[] = "{{ info.digest }}";
const char *const skmlp_classes[SKMLP_N_CLASSES] = {
{{ labels | join(",\n") }}
};

/* A weight is the product of an 8-bit value and the scale of its row, which belongs to one unit. */
{% for layer in layers %}

static const float scales_{{ loop.index }}[{{ layer.fan_out }}] = {
{{ layer.scales }}
};
static const float biases_{{ loop.index }}[{{ layer.fan_out }}] = {
{{ layer.biases }}
};
static const int8_t values_{{ loop.index }}[{{ layer.fan_out * layer.fan_in }}] = {
{{ layer.values }}
};
{% endfor %}
{% for definition in step_definitions %}

{{ definition -}}
{% endfor %}
{% if inputs %}

/* Weights of the pixels of a column and of a row of the image around the points of a grid. */
static const float row_weights[{{ inputs.n_rows * inputs.height }}] = {
{{ inputs.row_weights }}
};
static const float column_weights[{{ inputs.n_columns * inputs.width }}] = {
{{ inputs.column_weights }}
};

{{ input_definition }}
{% elif feature_type == "uint8_t" %}

/* Compute W x + b for features from 0 to 255. The sums of integers are exact. */
static void apply_first_layer(const int8_t *values, const float *scales, const float *biases, int fan_in, int fan_out,
                              const uint8_t *inputs, float *outputs)
{
    for (int unit = 0; unit < fan_out; unit++) {
        {{ sum_type }} sum = 0;
        for (int i = 0; i < fan_in; i++)
            sum += ({{ sum_type }})values[i] * inputs[i];
        outputs[unit] = scales[unit] * (float)sum + biases[unit];
        values += fan_in;
    }
}
{% endif %}
{% if layers | length > 1 or feature_type == "float" or inputs %}

/* Compute W x + b. */
static void apply_layer(const int8_t *values, const float *scales, const float *biases, int fan_in, int fan_out,
                        const float *inputs, float *outputs)
{
    for (int unit = 0; unit < fan_out; unit++) {
        float sum = 0;
        for (int i = 0; i < fan_in; i++)
            sum += (float)values[i] * inputs[i];
        outputs[unit] = scales[unit] * sum + biases[unit];
        values += fan_in;
    }
}
{% endif %}
{% for name in activations %}

{{ activation_sources[name] }}
{% endfor %}
{% if multilabel or labels | length == 2 %}

static float compute_probability(float z)
{
    return 1 / (1 + expf(-z));
}
{% endif %}

int skmlp_predict(const {{ feature_type }} *{{ features }}, float *probabilities)
{
{% for step in steps %}
    uint8_t image_{{ loop.index }}[{{ step.size }}];
{% endfor %}
{% if inputs %}
    float inputs[{{ inputs.size }}];
{% endif %}
{% for size in buffers %}
    float buffer_{{ loop.index }}[{{ size }}];
{% endfor %}
{% if labels | length == 2 and not multilabel %}
    float logit;
{% endif %}

{% for step in steps %}
    {{ step.function }}({{ "pixels" if loop.first else "image_%d" % loop.index0 }}, {{ step.arguments | join(", ") }}, image_{{ loop.index }});
{% endfor %}
{% if inputs %}
    compute_gradients({{ inputs.source }}, {{ inputs.height }}, {{ inputs.width }}, {{ inputs.scale }}, row_weights, {{ inputs.n_rows }}, column_weights, inputs);
{% if inputs.includes_pixels %}
    for (int i = 0; i < {{ inputs.height * inputs.width }}; i++)
        inputs[{{ inputs.n_strengths }} + i] = {{ inputs.scale }} * (float){{ inputs.source }}[i];
{% endif %}
{% endif %}
{% for layer in layers %}
    {{ layer.function }}(values_{{ loop.index }}, scales_{{ loop.index }}, biases_{{ loop.index }}, {{ layer.fan_in }}, {{ layer.fan_out }}, {{ layer.source }}, {{ layer.target }});
{% if layer.activation != "identity" %}
    for (int unit = 0; unit < {{ layer.fan_out }}; unit++)
        {{ layer.target }}[unit] = apply_{{ layer.activation }}({{ layer.target }}[unit]);
{% endif %}
{% endfor %}

{% if multilabel %}
    int n_labels = 0;
    for (int label = 0; label < SKMLP_N_CLASSES; label++) {
        n_labels += probabilities[label] > 0;
        probabilities[label] = compute_probability(probabilities[label]);
    }
    return n_labels;
{% elif labels | length == 2 %}
    probabilities[0] = compute_probability(-logit);
    probabilities[1] = compute_probability(logit);
    return logit > 0;
{% else %}
    /* Softmax of the logits. */
    int predicted = 0;
    for (int label = 1; label < SKMLP_N_CLASSES; label++)
        if (probabilities[label] > probabilities[predicted])
            predicted = label;
    float largest = probabilities[predicted], sum = 0;
    for (int label = 0; label < SKMLP_N_CLASSES; label++) {
        probabilities[label] = expf(probabilities[label] - largest);
        sum += probabilities[label];
    }
    for (int label = 0; label < SKMLP_N_CLASSES; label++)
        probabilities[label] /= sum;
    return predicted;
{% endif %}
}
