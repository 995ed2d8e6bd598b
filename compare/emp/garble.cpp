// Garbles and evaluates Bristol Fashion netlists with emp-tool's half gates, in memory, on one thread, as
// compare/ours/src/bin/garble.rs does with ours: `garble SECONDS NETLIST...`.
//
// A netlist is garbled again and again for the given time, its tables going to the same memory, and then
// evaluated as often from that memory. The clock runs around `compute` alone: the netlist is read and
// labels of inputs are drawn before it. Prints for each netlist: name, ANDs, M AND/s of processor time
// garbled and evaluated, a hash of the outputs.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "emp-tool/circuits/bit.h"
#include "emp-tool/circuits/circuit_file.h"
#include "emp-tool/execution/half_gate.h"

namespace {

// What is sent lies in memory and is received from there.
class Memory final : public emp::IOChannel {
public:
	std::vector<unsigned char> bytes;
	size_t at = 0;

	void send_data_internal(const void* data, int64_t count) override {
		if (at + count > bytes.size()) bytes.resize(2 * (at + count));
		std::memcpy(bytes.data() + at, data, count);
		at += count;
	}

	void recv_data_internal(void* data, int64_t count) override {
		if (at + count > bytes.size()) fail("the evaluator wants more than was sent");
		std::memcpy(data, bytes.data() + at, count);
		at += count;
	}

	[[noreturn]] static void fail(const char* why) {
		std::fprintf(stderr, "%s\n", why);
		std::exit(1);
	}
};

double processor_seconds() {
	timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec + 1e-9 * now.tv_nsec;
}

bool input_bit(int i) { return i % 3 == 0; }

// Each run begins with the same tweaks and the same labels, as no protocol may: only time is asked for here.
template <typename Role>
struct Again : Role {
	using Role::Role;
	void again() { this->mitccrh.renew_ks(uint64_t(0)); }
};
using Garbler = Again<emp::HalfGateGen>;
using Evaluator = Again<emp::HalfGateEva>;

using Bits = std::vector<emp::Bit_T<emp::block>>;

// Seconds that `seconds` or a bit more of `run` take for each run.
template <typename Run>
double measure(double seconds, Run run) {
	double begin = processor_seconds(), spent = 0;
	long runs = 0;
	do {
		run();
		++runs;
		spent = processor_seconds() - begin;
	} while (spent < seconds);
	return spent / runs;
}

void compare(const char* path, double seconds) {
	emp::BristolFashion circuit(path);
	long ands = 0;
	for (int i = 0; i < circuit.num_gate; ++i) ands += circuit.gates[4 * i + 3] == emp::AND_GATE;

	Memory channel;
	channel.bytes.resize(1 << 10);
	Garbler garbler(&channel);
	const size_t head = channel.at;
	channel.at = 0;
	Evaluator evaluator(&channel);

	emp::PRG random;
	Bits zeros(circuit.num_input), active(circuit.num_input);
	for (int i = 0; i < circuit.num_input; ++i) {
		random.random_block(&zeros[i].bit, 1);
		active[i].bit = input_bit(i) ? zeros[i].bit ^ garbler.delta : zeros[i].bit;
	}
	Bits garbled(circuit.num_output), evaluated(circuit.num_output);

	emp::backend = &garbler;
	const double garbling = measure(seconds, [&] {
		channel.at = head;
		garbler.again();
		circuit.compute(garbled.data(), zeros.data());
	});
	emp::backend = &evaluator;
	const double evaluating = measure(seconds, [&] {
		channel.at = head;
		evaluator.again();
		circuit.compute(evaluated.data(), active.data());
	});

	uint64_t hash = 0xcbf29ce484222325;
	for (int i = 0; i < circuit.num_output; ++i) {
		const emp::block zero = garbled[i].bit, one = zero ^ garbler.delta, found = evaluated[i].bit;
		const bool is_one = emp::cmpBlock(&found, &one, 1);
		if (!is_one && !emp::cmpBlock(&found, &zero, 1)) Memory::fail("a label is neither of the two");
		hash = (hash ^ (is_one ? 1 : 0)) * 0x100000001b3;
	}
	const char* slash = std::strrchr(path, '/');
	std::printf("%s\temp-tool\t%ld\t%.2f\t%.2f\t%016llx\n", slash ? slash + 1 : path, ands,
	            1e-6 * ands / garbling, 1e-6 * ands / evaluating, (unsigned long long)hash);
}

}  // namespace

int main(int argc, char** argv) {
	if (argc < 3) Memory::fail("usage: garble SECONDS NETLIST...");
	for (int i = 2; i < argc; ++i) compare(argv[i], std::atof(argv[1]));
}
