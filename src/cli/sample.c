#include <stdint.h>

#include "cli/sample.h"

/* The assembler reads the file itself: nothing is generated, and nothing can differ. */
#define SAMPLE(symbol, path)                                    \
	__asm__(".section .rodata\n"                            \
		".global " #symbol "_begin\n"                   \
		".global " #symbol "_end\n"                     \
		".hidden " #symbol "_begin\n"                   \
		".hidden " #symbol "_end\n" #symbol "_begin:\n" \
		".incbin \"" path "\"\n" #symbol "_end:\n"      \
		".byte 0\n"                                     \
		".previous\n");                                 \
	extern const char symbol##_begin[], symbol##_end[]

SAMPLE(sample_gateway, "conf.d/00-gateway.ini");
SAMPLE(sample_routes, "conf.d/10-routes.ini");

struct sample
sample_file(size_t i)
{
	switch (i) {
	case 0:
		return (struct sample){ "00-gateway.ini", sample_gateway_begin,
			(size_t)((uintptr_t)sample_gateway_end - (uintptr_t)sample_gateway_begin) };
	case 1:
		return (struct sample){ "10-routes.ini", sample_routes_begin,
			(size_t)((uintptr_t)sample_routes_end - (uintptr_t)sample_routes_begin) };
	default:
		return (struct sample){ 0 };
	}
}
