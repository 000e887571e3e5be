// SPDX-License-Identifier: Apache-2.0
/*
 * prompt: what a model is told about the tool, made of the resolved profile and of what is really
 * there. A template of the operator's goes before ours; its {placeholders} are filled the same way.
 */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "io.h"
#include "libs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { TEMPLATE_MAX = 256 << 10, LIBRARIES_MAX = 60 };

struct request {
	VERB_MEMBERS;
	char *profile, *lang, *part;
	char **operands;
};

#define S(m, hi) JSON_FIELD(request, m, .kind = JSON_KIND_STRING, .min = 1, .max = (hi))
static const struct json_field fields[] = {
	VERB_FIELDS(request),
	S(profile, 64),
	S(lang, 8),
	S(part, 16),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = 1),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

enum word {
	TOOL,
	SYSTEM,
	NO_NETWORK,
	FILES,
	PERSIST,
	ARTIFACTS,
	PLOTS,
	LIBRARIES,
	NO_LIBRARIES,
	LIMITS,
	HTML,
	WORDS
};

/* English, Portuguese. */
static const char *const words[WORDS][2] = {
	[TOOL] = { "Runs code in a sandbox and returns what it printed and the files it made.\n"
		   "Languages: {languages}.\n{libraries}\n{limits}\n{network}\n{files}\n{persistence}\n{artifacts}\n{plots}{html}",
		   "Executa código em uma sandbox e devolve o que ele imprimiu e os arquivos que criou.\n"
		   "Linguagens: {languages}.\n{libraries}\n{limits}\n{network}\n{files}\n{persistence}\n{artifacts}\n{plots}{html}" },
	[SYSTEM] = { "You can run code with the tool described here (profile \"{profile}\"). Use it to compute, to "
		     "analyse files and to make files; do not guess results that code can find out.\n"
		     "1. Look at the input first (names, columns, sizes), then write the program.\n"
		     "2. Print what you need to see: only printed output comes back.\n"
		     "3. If a run fails, read the error, mend the cause and run again; do not repeat the same code.\n"
		     "4. In the answer, say what was done and name the files that were made.\n"
		     "{prompt}{tools}",
		     "Você pode executar código com a ferramenta descrita aqui (perfil \"{profile}\"). Use-a para calcular, "
		     "analisar arquivos e criar arquivos; não adivinhe resultados que o código pode descobrir.\n"
		     "1. Examine primeiro a entrada (nomes, colunas, tamanhos) e depois escreva o programa.\n"
		     "2. Imprima o que precisa ver: só a saída impressa volta.\n"
		     "3. Se uma execução falhar, leia o erro, corrija a causa e execute de novo; não repita o mesmo código.\n"
		     "4. Na resposta, diga o que foi feito e cite os arquivos criados.\n"
		     "{prompt}{tools}" },
	[NO_NETWORK] = { "There is no network: nothing can be downloaded or installed.",
			 "Não há rede: nada pode ser baixado nem instalado." },
	[FILES] = { "The session's files are in /mnt/data, which is the working directory. Read inputs from there "
		    "and write results there, by plain relative names.",
		    "Os arquivos da sessão estão em /mnt/data, que é o diretório de trabalho. Leia as entradas de lá e "
		    "grave os resultados lá, com nomes relativos simples." },
	[PERSIST] = { "Each run starts afresh: variables, processes, /tmp and installed things are gone. Only files "
		      "under /mnt/data persist, and those of a failed run may not.",
		      "Cada execução começa do zero: variáveis, processos, /tmp e instalações se perdem. Só os arquivos em "
		      "/mnt/data persistem, e os de uma execução que falhou talvez não." },
	[ARTIFACTS] = { "Name artifacts for what they hold, in lower case with a usual extension "
			"(sales_2024.xlsx, report.pdf); the same name again makes a new version of the file.",
			"Dê aos artefatos nomes que digam o que contêm, em minúsculas e com extensão usual "
			"(vendas_2024.xlsx, relatorio.pdf); repetir o nome cria uma nova versão do arquivo." },
	[PLOTS] = { "With matplotlib, plt.show() saves each open figure as plot_N.png.\n",
		    "Com matplotlib, plt.show() salva cada figura aberta como plot_N.png.\n" },
	[LIBRARIES] = { "Python libraries: {list}; do not count on others.",
			"Bibliotecas Python: {list}; não conte com outras." },
	[NO_LIBRARIES] = { "Only each language's own standard library is there.",
			   "Só existe a biblioteca padrão de cada linguagem." },
	[LIMITS] = { "Limits of a run: %.4g s of time, %.4g s of CPU, %lld MiB of memory, %lld processes and threads, "
		     "%lld MiB of written files.",
		     "Limites de uma execução: %.4g s de tempo, %.4g s de CPU, %lld MiB de memória, %lld processos e threads, "
		     "%lld MiB de arquivos gravados." },
	[HTML] = { "HTML is rendered to page.png and page.pdf; scripts run, resources come from /mnt/data only.\n",
		   "HTML é renderizado em page.png e page.pdf; scripts executam, os recursos vêm só de /mnt/data.\n" },
};

/* What is worth telling, by what one imports; of the rest sbx libs tells. */
static const char *const worth[] = {
	"numpy",      "pandas",   "scipy",    "sklearn",    "statsmodels", "sympy",      "networkx",
	"matplotlib", "seaborn",  "plotly",   "PIL",        "openpyxl",    "xlsxwriter", "xlrd",
	"odf",        "docx",     "pptx",     "reportlab",  "pypdf",       "pdfminer",   "lxml",
	"bs4",        "html5lib", "requests", "sqlalchemy", "psycopg2",    "yaml",       "toml",
	"jsonlines",  "tqdm",     "rich",     "tabulate",   "dateutil",    "jinja2",     "markdown",
	"IPython",    "cv2",      "skimage",  "polars",     "pyarrow",     "numba",
};

struct fill {
	const char *name;
	char *text;
};

static char *replace(const char *template, const struct fill *fills, size_t count)
{
	char *out = NULL;
	size_t len = 0, i;
	FILE *f = open_memstream(&out, &len);

	while (f && *template) {
		size_t n = strcspn(template, "{"), k;

		(void)fwrite(template, 1, n, f);
		template += n;
		if (!*template)
			break;
		for (i = 0; i < count; i++) {
			k = strlen(fills[i].name);
			if (!strncmp(template + 1, fills[i].name, k) && template[k + 1] == '}')
				break;
		}
		if (i < count) {
			(void)fputs(fills[i].text ? fills[i].text : "", f);
			template += strlen(fills[i].name) + 2;
		} else {
			(void)fputc(*template ++, f); /* a brace of its own */
		}
	}
	if (f)
		(void)fclose(f);
	return out;
}

static char *languages_text(struct call *call, const struct profile *p, bool *ret_html,
			    bool *ret_python)
{
	const char *name;
	char *out = NULL;
	size_t len = 0, n = 0;
	FILE *f = open_memstream(&out, &len);
	json_t *v;

	*ret_html = *ret_python = false;
	json_object_foreach(p->languages, name, v) {
		struct language language;
		char version[64];

		if (!f || profile_language(p, name, &language, NULL) < 0)
			continue;
		if (libs_has_language(call, p, &language)) {
			language_version(call, p, &language, version, sizeof(version));
			(void)fprintf(f, "%s%s%s%s", n++ ? ", " : "", name, version[0] ? " " : "",
				      version);
			*ret_html = *ret_html || !strcmp(name, "html");
			*ret_python = *ret_python || !strcmp(name, "python");
		}
		language_done(&language);
	}
	if (f)
		(void)fclose(f);
	return out;
}

static const char *version_of(json_t *libraries, const char *import)
{
	json_t *v;
	size_t i;

	json_array_foreach(libraries, i, v)
		if (!strcmp(json_string_value(json_object_get(v, "import")), import))
			return json_string_value(json_object_get(v, "version"));
	return NULL;
}

static char *libraries_text(json_t *python, int lang, bool *ret_plots)
{
	AUTO_FREE char *list = NULL;
	size_t len = 0, n = 0, i;
	FILE *f = open_memstream(&list, &len);

	*ret_plots = version_of(python, "matplotlib") != NULL;
	for (i = 0; f && i < sizeof(worth) / sizeof(worth[0]) && n < LIBRARIES_MAX; i++) {
		const char *version = version_of(python, worth[i]);

		if (version)
			(void)fprintf(f, "%s%s %s", n++ ? ", " : "", worth[i], version);
	}
	if (f)
		(void)fclose(f);
	struct fill fill = { "list", list };
	return n ? replace(words[LIBRARIES][lang], &fill, 1) : strdup(words[NO_LIBRARIES][lang]);
}

static char *limits_text(const struct limits *l, int lang)
{
	char *out = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (asprintf(&out, words[LIMITS][lang], (double)l->wall_ms / 1000, (double)l->cpu_ms / 1000,
		     (long long)(l->memory_bytes >> 20), (long long)l->processes,
		     (long long)(l->scratch_bytes >> 20)) < 0)
		out = NULL;
#pragma GCC diagnostic pop
	return out;
}

static char *tools_text(const struct profile *p, int lang)
{
	static const char *const head[] = { "Named tools:\n", "Ferramentas nomeadas:\n" };
	const char *name;
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	json_t *v;

	if (f && json_object_size(p->tools))
		(void)fputs(head[lang], f);
	json_object_foreach(p->tools, name, v) {
		const char *text = json_string_value(json_object_get(v, "description"));

		if (f)
			(void)fprintf(f, "- %s: %s\n", name, text ? text : "");
	}
	if (f)
		(void)fclose(f);
	return out;
}

static char *read_template(const char *dir, const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? NULL : io_read_all(fd, TEMPLATE_MAX, NULL);
}

/* The narrowest first: of this profile and language, of this profile, of this language, of all. */
static char *find_template(const char *profile, const char *lang)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char own[PATH_MAX] = "", names[4][100];
	const char *const dirs[] = { own, "/etc/sbx" };
	size_t d, i;

	if (base && *base == '/')
		(void)snprintf(own, sizeof(own), "%.4000s/sbx", base);
	else if (home && *home == '/')
		(void)snprintf(own, sizeof(own), "%.4000s/.config/sbx", home);
	(void)snprintf(names[0], sizeof(names[0]), "prompt-%.64s.%s.txt", profile, lang);
	(void)snprintf(names[1], sizeof(names[1]), "prompt-%.64s.txt", profile);
	(void)snprintf(names[2], sizeof(names[2]), "prompt.%s.txt", lang);
	(void)snprintf(names[3], sizeof(names[3]), "prompt.txt");
	for (d = 0; d < 2; d++)
		for (i = 0; dirs[d][0] && i < 4; i++) {
			char *text = read_template(dirs[d], names[i]);

			if (text)
				return text;
		}
	return NULL;
}

static int build(struct call *call, const struct profile *p, int lang, json_t **ret,
		 struct err *err)
{
	static const char *const codes[] = { "en", "pt" };
	AUTO_JSON json_t *libraries = NULL;
	bool html, plots = false, python;
	struct fill fills[12];
	size_t n = 0, i;
	char *languages = languages_text(call, p, &html, &python);

	if (python && libs_list(call, p->name, "python", &libraries, err) < 0) {
		free(languages);
		return -1;
	}
	fills[n++] = (struct fill){ "profile", strdup(p->name) };
	fills[n++] = (struct fill){ "prompt", strdup(p->prompt ? p->prompt : "") };
	fills[n++] = (struct fill){ "languages", languages };
	fills[n++] = (struct fill){
		"libraries", libraries_text(json_object_get(libraries, "python"), lang, &plots)
	};
	fills[n++] = (struct fill){ "limits", limits_text(&p->limits, lang) };
	fills[n++] = (struct fill){ "network", strdup(words[NO_NETWORK][lang]) };
	fills[n++] = (struct fill){ "files", strdup(words[FILES][lang]) };
	fills[n++] = (struct fill){ "persistence", strdup(words[PERSIST][lang]) };
	fills[n++] = (struct fill){ "artifacts", strdup(words[ARTIFACTS][lang]) };
	fills[n++] = (struct fill){ "plots", strdup(plots ? words[PLOTS][lang] : "") };
	fills[n++] = (struct fill){ "html", strdup(html ? words[HTML][lang] : "") };
	fills[n++] = (struct fill){ "tools", tools_text(p, lang) };
	AUTO_FREE char *own = find_template(p->name, codes[lang]);
	AUTO_FREE char *tool = replace(words[TOOL][lang], fills, n);
	AUTO_FREE char *system = replace(own ? own : words[SYSTEM][lang], fills, n);
	*ret = json_pack("{s:s,s:s,s:o,s:o,s:b}", "profile", p->name, "lang", codes[lang], "tool",
			 json_text(tool ? tool : "", tool ? strlen(tool) : 0), "system",
			 json_text(system ? system : "", system ? strlen(system) : 0),
			 "own_template", own != NULL);
	for (i = 0; i < n; i++)
		free(fills[i].text);
	return 0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	struct profile p;
	int lang = 0, done = json_decode(request, fields, FIELD_COUNT - (call->is_request ? 1 : 0),
					 &r, "", err);
	const char *name = r.profile                   ? r.profile :
			   r.operands && r.operands[0] ? r.operands[0] :
							 call->config->profile;

	if (done == 0 && r.lang && !strcmp(r.lang, "pt"))
		lang = 1;
	else if (done == 0 && r.lang && strcmp(r.lang, "en") != 0)
		done = (err_set(err, ERR_REQUEST, "must be \"en\" or \"pt\""),
			err_at(err, "/lang"));
	if (done == 0 && r.part && strcmp(r.part, "tool") != 0 && strcmp(r.part, "system") != 0)
		done = (err_set(err, ERR_REQUEST, "must be \"tool\" or \"system\""),
			err_at(err, "/part"));
	if (done == 0)
		done = profile_load(call->config, name, &p, err);
	if (done == 0) {
		done = build(call, &p, lang, ret, err);
		profile_done(&p);
	}
	if (done == 0 && r.part)
		(void)json_object_del(*ret, !strcmp(r.part, "tool") ? "system" : "tool");
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	const char *system = json_string_value(json_object_get(answer, "system"));
	const char *tool = json_string_value(json_object_get(answer, "tool"));

	(void)call;
	(void)fprintf(out, "%s%s%s", system ? system : "", system && tool ? "\n" : "",
		      tool ? tool : "");
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	{ 'p', "profile", "profile", OPTION_STRING, "NAME", "the profile" },
	{ 'l', "lang", "lang", OPTION_STRING, "en|pt", "the text's language (default: en)" },
	{ 0, "part", "part", OPTION_STRING, "PART", "only tool, or only system" },
	{ 0 },
};

const struct verb verb_prompt = {
	.name = "prompt",
	.operands = "[PROFILE]",
	.operand_member = "operands",
	.summary = "the tool description and system text for a model",
	.options = options,
	.run = run,
	.show = show,
};
