"""The words by which the offline model tells what a request asks for: English, Italian, German."""

from __future__ import annotations

from agents.words import STOP_WORDS


def word_set(text: str) -> frozenset[str]:
    """The words of a table written as running text."""
    return frozenset(text.split())


# Work that is asked for by name.
RESEARCH = word_set("""
    research researching investigate lookup search searching explore discover
    ricerca ricercare ricerche cerca cercare cercami indaga indagare
    recherchiere recherchieren recherche erforsche suche suchen
""")
ANALYSIS = word_set("""
    analyze analyse analyzing analysing analysis compare comparing comparison calculate calculating calculation compute
    evaluate
    analizza analizzare analisi confronta confrontare confronto calcola calcolare calcolo
    analysiere analysieren vergleiche vergleichen vergleich berechne berechnen berechnung rechne auswerten
""")
WRITING = word_set("""
    write writing draft compose summarize summarise summarizing
    scrivi scrivere scrivimi redigi redigere componi riassumi riassumere
    schreibe schreib schreiben verfasse verfassen entwirf zusammenfassen zusammen
""")

# Words that ask for research when nothing else is asked for.
ASKING = word_set("""
    find tell explain describe define list show name give get
    trova trovare dimmi parlami spiega spiegami descrivi elenca mostra mostrami
    finde finden erkläre erklär erzähl erzähle beschreibe nenne zeige zeig
""")
INFORMATION = word_set("info information facts details informazioni informationen wissen")
POLITE = word_set("""
    please kindly hi hello hey ok so and now then also can could would you i want need to
    per favore puoi potresti ciao bitte kannst könntest du hallo
""")
JOINING = word_set("and then also und dann e ed poi")
QUESTION = word_set("""
    what whats who whom whose which when where why how is are does do did can could should
    cosa cos chi come quando dove perché quale quali quanto quanti
    was wer wie wo wann warum welche welcher welches wieviel
""")

# Words that ask for the analyst when there are figures.
STATISTIC = word_set("""
    mean average median sum total percent percentage trend growth increase decrease difference ratio statistics
    minimum maximum min max deviation variance factorial sqrt root count
    media mediana somma totale percentuale tendenza crescita aumento differenza minimo massimo radice fattoriale
    avg medio durchschnitt durchschnittlich durchschnittliche durchschnittlichen durchschnittlicher durchschnittliches
    mittelwert mittlere mittleren mittlerer mittleres summe prozent wachstum unterschied gesamt wurzel fakultät
    moyenne médiane somme promedio suma média soma gemiddelde среднее сумма 平均 均值 合計 合计 总和 総和
""")

# Words that ask for a result as a file.
SAVING = word_set("save export download salva salvare esporta scarica speichere speichern exportiere")

# Kinds of text: those that report facts, and those that come from the pen alone.
FACTUAL = word_set("""
    report article essay summary summarize summarise overview blog post newsletter memo paper documentation
    relazione rapporto articolo saggio riassunto riassumi riassumere panoramica
    bericht artikel aufsatz zusammenfassung zusammenfassen überblick
""")
FREE = word_set("""
    story poem letter email mail song joke speech haiku tale code function script program
    racconto storia favola poesia lettera canzone barzelletta discorso
    geschichte gedicht märchen lied witz rede
""")
MAKING = word_set("""
    create make prepare produce generate give need want tell
    crea creare prepara genera fammi dammi voglio raccontami
    erstelle erstellen erzeuge mach mache bereite gib erzähl erzähle möchte
""")

_QUALITIES = word_set("""
    following short brief long detailed quick small little nice good new complete latest recent current main
    breve lungo dettagliato nuovo kurz kurze kurzen kurzer lange ausführlich ausführlichen neue neuen
""")

# Words about the work instead of its subject: they are not searched for, and with the kinds of text no topic begins.
WORK = RESEARCH | ANALYSIS | WRITING | ASKING | INFORMATION | MAKING
LEADING = (
    WORK | FACTUAL | FREE | STOP_WORDS | QUESTION | _QUALITIES | word_set("up out look wrote ne fasse ein aus nach")
)

# Other words for the same thing, for a second search.
SYNONYMS = {
    "api": ("openai", "endpoint"),
    "bot": ("agent",),
    "bots": ("agents",),
    "chatbot": ("agent", "conversation"),
    "database": ("storage", "sqlite"),
    "db": ("storage", "sqlite"),
    "einstellungen": ("configuration",),
    "gedächtnis": ("conversation",),
    "gpt": ("model", "openai"),
    "history": ("conversation",),
    "impostazioni": ("configuration",),
    "install": ("command", "serve", "start"),
    "konfiguration": ("configuration",),
    "configurazione": ("configuration",),
    "llm": ("model",),
    "memory": ("conversation", "storage"),
    "memoria": ("conversation", "storage"),
    "modell": ("model",),
    "modello": ("model",),
    "modelli": ("model",),
    "options": ("configuration", "variables"),
    "setup": ("configuration", "command"),
    "settings": ("configuration", "variables"),
    "speicher": ("storage",),
    "start": ("command", "serve"),
    "timeout": ("limits", "seconds"),
    "timeouts": ("limits", "seconds"),
}
