/* Lines of furniture inside articles, by language: what leads to other articles, asks to subscribe,
 * to follow, to share or to comment, credits pictures, stamps times. Read by lines.c. A phrase
 * belongs here when whoever writes an article would hardly begin a paragraph with it. */
#include "phrases.h"
#include "words.h"

#define IS(rule, text)     {TM_PHRASE_WHOLE, TM_RULE_##rule, text},
#define BEGINS(rule, text) {TM_PHRASE_BEGINS, TM_RULE_##rule, text},
#define HOLDS(rule, text)  {TM_PHRASE_HOLDS, TM_RULE_##rule, text},

/* clang-format off */
const struct tm_phrase tm_phrases[] = {
    /* English */
    BEGINS(RELATED, "read more:") BEGINS(RELATED, "read also") BEGINS(RELATED, "also read")
    BEGINS(RELATED, "read next") BEGINS(RELATED, "see also:") BEGINS(RELATED, "related:")
    BEGINS(RELATED, "more on this story") BEGINS(RELATED, "more from ") BEGINS(RELATED, "don't miss:")
    BEGINS(RELATED, "you may also like") BEGINS(RELATED, "you might also like")
    BEGINS(RELATED, "recommended for you") BEGINS(RELATED, "related articles")
    BEGINS(RELATED, "related posts") BEGINS(RELATED, "related stories") BEGINS(RELATED, "related topics")
    BEGINS(RELATED, "related content") BEGINS(RELATED, "continue reading") BEGINS(RELATED, "click here to read")
    BEGINS(RELATED, "previous article") BEGINS(RELATED, "next article") BEGINS(RELATED, "previous post")
    BEGINS(RELATED, "next post") BEGINS(RELATED, "see all of ") BEGINS(RELATED, "trending now")
    IS(RELATED, "read more") IS(RELATED, "read full story") IS(RELATED, "read the full story")
    IS(RELATED, "most popular") IS(RELATED, "most read") IS(RELATED, "latest news") IS(RELATED, "top stories")
    IS(RELATED, "more stories") IS(RELATED, "see more") IS(RELATED, "show more") IS(RELATED, "load more")
    IS(RELATED, "related") IS(RELATED, "see also") IS(RELATED, "back to top") IS(RELATED, "recommended")
    IS(RELATED, "view comments") IS(RELATED, "editor's picks") IS(RELATED, "editors' picks")
    IS(RELATED, "story continues below advertisement") BEGINS(ADS, "story continues below")
    BEGINS(ADS, "article continues below") BEGINS(ADS, "article continues after") IS(ADS, "story continues")
    BEGINS(ADS, "this article contains affiliate links") BEGINS(ADS, "we may earn a commission")
    IS(ADS, "advertisement") IS(ADS, "advertisements") IS(ADS, "advertising") IS(ADS, "sponsored")
    IS(ADS, "sponsored content") BEGINS(ADS, "advertisement - ") IS(ADS, "promoted") IS(ADS, "ad")
    BEGINS(NEWSLETTER, "sign up for ") BEGINS(NEWSLETTER, "sign up to ") BEGINS(NEWSLETTER, "sign up here")
    BEGINS(NEWSLETTER, "subscribe to ") BEGINS(NEWSLETTER, "subscribe now") BEGINS(NEWSLETTER, "subscribe for ")
    BEGINS(NEWSLETTER, "get our daily newsletter") BEGINS(NEWSLETTER, "enter your email")
    BEGINS(NEWSLETTER, "by signing up") BEGINS(NEWSLETTER, "by subscribing") BEGINS(NEWSLETTER, "download our app")
    BEGINS(NEWSLETTER, "join our newsletter") BEGINS(NEWSLETTER, "already a subscriber")
    IS(NEWSLETTER, "subscribe") IS(NEWSLETTER, "newsletter") IS(NEWSLETTER, "sign up") IS(NEWSLETTER, "log in")
    BEGINS(SHARE, "follow us on ") BEGINS(SHARE, "like us on facebook") BEGINS(SHARE, "find us on facebook")
    BEGINS(SHARE, "share this") BEGINS(SHARE, "share on ") BEGINS(SHARE, "click to share") BEGINS(SHARE, "tweet this")
    BEGINS(SHARE, "join the conversation") BEGINS(SHARE, "follow him on twitter") BEGINS(SHARE, "follow her on twitter")
    BEGINS(SHARE, "follow me on twitter") BEGINS(SHARE, "email this") BEGINS(SHARE, "print this")
    IS(SHARE, "share") IS(SHARE, "tweet") IS(SHARE, "facebook") IS(SHARE, "twitter") IS(SHARE, "whatsapp")
    IS(SHARE, "linkedin") IS(SHARE, "pinterest") IS(SHARE, "email") IS(SHARE, "e-mail") IS(SHARE, "print")
    IS(SHARE, "copy link") IS(SHARE, "like this") IS(SHARE, "like loading") IS(SHARE, "reddit") IS(SHARE, "telegram")
    IS(SHARE, "follow us") IS(SHARE, "follow") IS(SHARE, "pin it") IS(SHARE, "save") IS(SHARE, "share this article")
    HOLDS(AUTHOR, "on twitter @") HOLDS(AUTHOR, "me on twitter") HOLDS(AUTHOR, "him on twitter")
    HOLDS(AUTHOR, "her on twitter") HOLDS(AUTHOR, "them on twitter") HOLDS(AUTHOR, "follow us on")
    HOLDS(AUTHOR, "is a staff writer") HOLDS(AUTHOR, "can be reached at") HOLDS(AUTHOR, "is a freelance")
    HOLDS(NEWSLETTER, "sign up for our") HOLDS(NEWSLETTER, "subscribe to our") HOLDS(NEWSLETTER, "our newsletter")
    HOLDS(META, "all rights reserved") HOLDS(META, "may not be reproduced")
    BEGINS(META, "copyright ©") BEGINS(META, "© ") BEGINS(META, "copyright 20") BEGINS(META, "filed under")
    BEGINS(META, "posted in ") BEGINS(META, "posted on ") BEGINS(META, "posted by ") BEGINS(META, "published on ")
    BEGINS(META, "last updated") BEGINS(META, "last modified") BEGINS(META, "originally published ")
    BEGINS(META, "updated:") BEGINS(META, "published:") BEGINS(META, "first published") BEGINS(META, "updated at ")
    BEGINS(META, "updated on ") BEGINS(META, "this entry was posted") BEGINS(META, "tags:") BEGINS(META, "tagged:")
    BEGINS(META, "tagged with") BEGINS(META, "categories:") BEGINS(META, "category:") BEGINS(META, "topics:")
    BEGINS(META, "reading time") BEGINS(META, "estimated reading time") BEGINS(META, "written by ")
    IS(META, "min read") IS(META, "minute read") IS(META, "minutes read") IS(META, "views") IS(META, "tags")
    IS(META, "about the author") IS(AUTHOR, "author") IS(AUTHOR, "written by") IS(META, "permalink")
    BEGINS(AUTHOR, "about the author") BEGINS(AUTHOR, "view all posts by")
    BEGINS(COMMENTS, "leave a comment") BEGINS(COMMENTS, "leave a reply") BEGINS(COMMENTS, "post a comment")
    BEGINS(COMMENTS, "comments are closed") BEGINS(COMMENTS, "add a comment") BEGINS(COMMENTS, "be the first to comment")
    IS(COMMENTS, "comments") IS(COMMENTS, "comment") IS(COMMENTS, "no comments") IS(COMMENTS, "reply")
    BEGINS(COMMENTS, "your email address will not be published") BEGINS(COMMENTS, "submit your letter")
    IS(MEDIA, "photo") IS(MEDIA, "image") IS(MEDIA, "video") IS(MEDIA, "click to enlarge") IS(MEDIA, "play video")
    BEGINS(MEDIA, "image credit:") BEGINS(MEDIA, "photo credit:") BEGINS(MEDIA, "photo by ") BEGINS(MEDIA, "image source:")
    BEGINS(MEDIA, "image via ") BEGINS(MEDIA, "photograph:") BEGINS(MEDIA, "photo:") BEGINS(MEDIA, "image:")
    BEGINS(MEDIA, "watch:") BEGINS(MEDIA, "featured image") BEGINS(MEDIA, "view gallery") BEGINS(MEDIA, "media playback is")
    BEGINS(MEDIA, "image copyright") BEGINS(MEDIA, "image caption")

    /* German */
    IS(RELATED, "auch interessant") BEGINS(RELATED, "auch interessant:") BEGINS(RELATED, "lesen sie auch")
    BEGINS(RELATED, "lesen sie mehr") BEGINS(RELATED, "mehr zum thema") BEGINS(RELATED, "mehr dazu")
    BEGINS(RELATED, "das könnte sie auch interessieren") BEGINS(RELATED, "das könnte dich auch interessieren")
    BEGINS(RELATED, "weiterführende link") BEGINS(RELATED, "weiterführender link") BEGINS(RELATED, "ähnliche artikel")
    BEGINS(RELATED, "ähnliche beiträge") BEGINS(RELATED, "siehe auch") BEGINS(RELATED, "auch auf ")
    BEGINS(RELATED, "mehr lesen") BEGINS(RELATED, "weitere artikel") BEGINS(RELATED, "weitere informationen zum thema")
    BEGINS(RELATED, "zum weiterlesen") BEGINS(RELATED, "lies auch") BEGINS(RELATED, "mehr von ") BEGINS(RELATED, "zum thema:")
    BEGINS(RELATED, "vorheriger beitrag") BEGINS(RELATED, "nächster beitrag") BEGINS(RELATED, "vorheriger artikel")
    BEGINS(RELATED, "nächster artikel") BEGINS(RELATED, "verwandte artikel") BEGINS(RELATED, "verwandte beiträge")
    IS(RELATED, "weiterlesen") IS(RELATED, "mehr erfahren") IS(RELATED, "meistgelesen") IS(RELATED, "nach oben")
    IS(RELATED, "zum thema") IS(RELATED, "links zum thema") IS(RELATED, "quellen und links") IS(RELATED, "zurück")
    IS(RELATED, "seitenanfang") IS(RELATED, "zur startseite") IS(RELATED, "mehr anzeigen")
    IS(ADS, "anzeige") IS(ADS, "werbung") BEGINS(ADS, "anzeige:") IS(ADS, "advertorial") IS(ADS, "anzeigen")
    BEGINS(NEWSLETTER, "abonnieren sie") BEGINS(NEWSLETTER, "jetzt abonnieren") BEGINS(NEWSLETTER, "newsletter abonnieren")
    BEGINS(NEWSLETTER, "melden sie sich für") BEGINS(NEWSLETTER, "unser newsletter") BEGINS(NEWSLETTER, "jetzt anmelden")
    HOLDS(NEWSLETTER, "newsletter abonnieren") HOLDS(NEWSLETTER, "unseren newsletter") IS(NEWSLETTER, "anmelden")
    HOLDS(SHARE, "auf facebook und") HOLDS(SHARE, "folgen sie uns") HOLDS(SHARE, "folge uns")
    BEGINS(SHARE, "folgen sie uns") BEGINS(SHARE, "folge uns") BEGINS(SHARE, "teilen auf") BEGINS(SHARE, "teilen mit")
    BEGINS(SHARE, "klick, um") BEGINS(SHARE, "artikel teilen") BEGINS(SHARE, "diesen artikel teilen")
    BEGINS(SHARE, "diesen beitrag teilen") BEGINS(SHARE, "beitrag teilen") IS(SHARE, "teilen") IS(SHARE, "drucken")
    IS(SHARE, "twittern") IS(SHARE, "merken") IS(SHARE, "per e-mail") IS(SHARE, "gefällt mir") IS(SHARE, "per mail")
    BEGINS(META, "veröffentlicht am") BEGINS(META, "veröffentlicht in") BEGINS(META, "zuletzt aktualisiert")
    BEGINS(META, "aktualisiert am") BEGINS(META, "erstellt am") BEGINS(META, "stand:") BEGINS(META, "schlagwörter")
    BEGINS(META, "schlagworte") BEGINS(META, "kategorie:") BEGINS(META, "kategorien:") BEGINS(META, "geschrieben von")
    BEGINS(META, "dieser beitrag wurde") BEGINS(META, "dieser eintrag wurde") BEGINS(META, "lesezeit")
    BEGINS(META, "verschlagwortet mit") BEGINS(META, "letzte aktualisierung") BEGINS(META, "aufrufe:") BEGINS(META, "themen:")
    IS(META, "artikel drucken") IS(META, "schlagwort") IS(META, "themen") IS(META, "uhr") IS(META, "min lesezeit")
    BEGINS(AUTHOR, "über den autor") BEGINS(AUTHOR, "über die autorin") BEGINS(AUTHOR, "zum autor") IS(AUTHOR, "autor")
    BEGINS(COMMENTS, "kommentar schreiben") BEGINS(COMMENTS, "kommentare geschlossen") BEGINS(COMMENTS, "schreibe einen kommentar")
    BEGINS(COMMENTS, "hinterlasse einen kommentar") BEGINS(COMMENTS, "kommentar hinterlassen") IS(COMMENTS, "kommentare")
    BEGINS(COMMENTS, "deine e-mail-adresse wird nicht") BEGINS(COMMENTS, "kommentare insgesamt") IS(COMMENTS, "kommentar")
    BEGINS(COMMENTS, "kommentare sind geschlossen") IS(COMMENTS, "antworten") IS(COMMENTS, "keine kommentare")
    BEGINS(MEDIA, "foto:") BEGINS(MEDIA, "bild:") BEGINS(MEDIA, "bildquelle") BEGINS(MEDIA, "quelle:") BEGINS(MEDIA, "fotos:")
    BEGINS(MEDIA, "beitragsbild") BEGINS(MEDIA, "titelbild") BEGINS(MEDIA, "bildnachweis") BEGINS(MEDIA, "© ")
    IS(MEDIA, "bildergalerie") IS(MEDIA, "bild vergrößern") IS(MEDIA, "mehr bilder") BEGINS(MEDIA, "bildrechte")

    /* French */
    BEGINS(RELATED, "lire aussi") BEGINS(RELATED, "à lire aussi") BEGINS(RELATED, "a lire aussi") BEGINS(RELATED, "voir aussi")
    BEGINS(RELATED, "lire la suite") BEGINS(RELATED, "article précédent") BEGINS(RELATED, "article suivant")
    BEGINS(RELATED, "articles similaires") BEGINS(RELATED, "sur le même sujet") BEGINS(RELATED, "à voir aussi")
    BEGINS(RELATED, "ces articles pourraient") BEGINS(RELATED, "vous aimerez aussi") BEGINS(ADS, "la suite après cette publicité")
    IS(ADS, "publicité") IS(ADS, "annonce") BEGINS(NEWSLETTER, "abonnez-vous") BEGINS(NEWSLETTER, "inscrivez-vous")
    BEGINS(NEWSLETTER, "s'inscrire à la newsletter") BEGINS(NEWSLETTER, "recevez ") BEGINS(SHARE, "suivez-nous")
    BEGINS(SHARE, "partager sur") BEGINS(SHARE, "partagez") BEGINS(SHARE, "partager cet article") IS(SHARE, "partager")
    IS(SHARE, "imprimer") IS(SHARE, "tweeter") BEGINS(META, "publié le") BEGINS(META, "mis à jour") BEGINS(META, "mots-clés")
    BEGINS(META, "mots clés") BEGINS(META, "temps de lecture") BEGINS(META, "mis en ligne") BEGINS(COMMENTS, "laisser un commentaire")
    IS(COMMENTS, "commentaires") BEGINS(COMMENTS, "commenter cet article") BEGINS(MEDIA, "crédit photo")
    BEGINS(MEDIA, "photo d'illustration") BEGINS(AUTHOR, "à propos de l'auteur")

    /* Spanish, Portuguese, Italian */
    BEGINS(RELATED, "lea también") BEGINS(RELATED, "lee también") BEGINS(RELATED, "leer también") BEGINS(RELATED, "te puede interesar")
    BEGINS(RELATED, "le puede interesar") BEGINS(RELATED, "noticias relacionadas") BEGINS(RELATED, "ver también")
    BEGINS(RELATED, "artículos relacionados") BEGINS(RELATED, "más información:") BEGINS(RELATED, "también te puede interesar")
    IS(RELATED, "leer más") IS(ADS, "publicidad") BEGINS(NEWSLETTER, "suscríbete") BEGINS(NEWSLETTER, "suscríbase")
    BEGINS(SHARE, "síguenos en") BEGINS(SHARE, "síganos en") IS(SHARE, "compartir") IS(SHARE, "imprimir") BEGINS(SHARE, "compartir en")
    BEGINS(META, "publicado el") BEGINS(META, "actualizado el") BEGINS(META, "etiquetas") BEGINS(META, "última actualización")
    BEGINS(COMMENTS, "deja un comentario") BEGINS(COMMENTS, "dejar un comentario") IS(COMMENTS, "comentarios") BEGINS(MEDIA, "imagen:")
    BEGINS(RELATED, "leia também") BEGINS(RELATED, "leia mais") BEGINS(RELATED, "veja também") BEGINS(RELATED, "saiba mais")
    IS(ADS, "publicidade") IS(ADS, "continua depois da publicidade") BEGINS(NEWSLETTER, "inscreva-se") BEGINS(NEWSLETTER, "assine ")
    IS(SHARE, "compartilhe") IS(SHARE, "compartilhar") IS(SHARE, "partilhar") BEGINS(SHARE, "siga-nos") BEGINS(META, "publicado em")
    BEGINS(META, "atualizado em") BEGINS(COMMENTS, "deixe um comentário") BEGINS(COMMENTS, "deixe uma resposta")
    BEGINS(RELATED, "leggi anche") BEGINS(RELATED, "vedi anche") BEGINS(RELATED, "potrebbe interessarti") BEGINS(RELATED, "articoli correlati")
    BEGINS(RELATED, "ti potrebbe interessare") IS(RELATED, "leggi tutto") IS(ADS, "pubblicità") BEGINS(NEWSLETTER, "iscriviti alla")
    BEGINS(SHARE, "seguici su") BEGINS(SHARE, "condividi su") IS(SHARE, "condividi") IS(SHARE, "stampa") BEGINS(META, "pubblicato il")
    BEGINS(META, "ultimo aggiornamento") BEGINS(COMMENTS, "lascia un commento") IS(COMMENTS, "commenti")

    /* Dutch, Scandinavian languages, Finnish */
    BEGINS(RELATED, "lees ook") BEGINS(RELATED, "lees verder") BEGINS(RELATED, "lees meer") BEGINS(RELATED, "gerelateerde artikelen")
    IS(ADS, "advertentie") BEGINS(NEWSLETTER, "schrijf je in") BEGINS(SHARE, "volg ons op") IS(SHARE, "delen") BEGINS(META, "gepubliceerd op")
    BEGINS(META, "laatst bijgewerkt") BEGINS(COMMENTS, "geef een reactie") IS(COMMENTS, "reacties") BEGINS(RELATED, "läs även")
    BEGINS(RELATED, "läs också") BEGINS(RELATED, "läs mer") IS(ADS, "annons") BEGINS(SHARE, "följ oss") IS(SHARE, "dela")
    BEGINS(RELATED, "les også") BEGINS(RELATED, "læs også") BEGINS(RELATED, "læs mere") BEGINS(RELATED, "les mer") IS(ADS, "annonse")
    IS(ADS, "annonce") IS(SHARE, "del") BEGINS(META, "publisert") BEGINS(META, "publicerad") BEGINS(META, "offentliggjort")
    BEGINS(RELATED, "lue myös") BEGINS(RELATED, "lue lisää") IS(ADS, "mainos") IS(SHARE, "jaa")

    /* Polish, Czech, Turkish, Russian, Ukrainian, Greek */
    BEGINS(RELATED, "czytaj też") BEGINS(RELATED, "czytaj także") BEGINS(RELATED, "czytaj również") BEGINS(RELATED, "zobacz też")
    BEGINS(RELATED, "zobacz także") BEGINS(RELATED, "przeczytaj także") BEGINS(RELATED, "przeczytaj też") IS(RELATED, "czytaj więcej")
    IS(ADS, "reklama") IS(SHARE, "udostępnij") BEGINS(COMMENTS, "dodaj komentarz") IS(COMMENTS, "komentarze") BEGINS(META, "tagi:")
    BEGINS(RELATED, "čtěte také") BEGINS(RELATED, "přečtěte si") BEGINS(RELATED, "související články") IS(SHARE, "sdílet")
    BEGINS(RELATED, "ilgili haberler") BEGINS(RELATED, "ayrıca okuyun") IS(ADS, "reklam") IS(SHARE, "paylaş")
    BEGINS(RELATED, "читайте также") BEGINS(RELATED, "читать далее") BEGINS(RELATED, "смотрите также") BEGINS(RELATED, "по теме:")
    IS(ADS, "реклама") BEGINS(SHARE, "подписывайтесь на") IS(SHARE, "поделиться") BEGINS(META, "опубликовано") IS(COMMENTS, "комментарии")
    BEGINS(RELATED, "читайте також") IS(SHARE, "поширити") BEGINS(RELATED, "διαβάστε επίσης") IS(ADS, "διαφήμιση")

    /* Chinese, Japanese, Korean, Arabic */
    BEGINS(RELATED, "相关阅读") BEGINS(RELATED, "相关新闻") BEGINS(RELATED, "推荐阅读") BEGINS(RELATED, "延伸阅读") BEGINS(RELATED, "延伸閱讀")
    BEGINS(RELATED, "相關新聞") BEGINS(META, "责任编辑") BEGINS(META, "責任編輯") BEGINS(META, "上一篇") BEGINS(META, "下一篇")
    IS(ADS, "广告") IS(ADS, "廣告") IS(SHARE, "分享") BEGINS(RELATED, "関連記事") BEGINS(RELATED, "あわせて読みたい") IS(ADS, "広告")
    IS(SHARE, "シェア") BEGINS(RELATED, "관련기사") BEGINS(RELATED, "관련 기사") IS(SHARE, "공유하기") BEGINS(RELATED, "اقرأ أيضا")
    BEGINS(RELATED, "اقرأ أيضًا") BEGINS(RELATED, "إقرأ أيضاً") IS(ADS, "إعلان")
    {0, 0, NULL},
};

const char *const tm_date_words[] = {
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov",
    "dec", "januar", "jänner", "februar", "märz", "mai", "juni", "juli", "oktober", "dezember", "okt", "dez",
    "mär", "janvier", "février", "mars", "avril", "juin", "juillet", "août", "septembre", "octobre",
    "novembre", "décembre", "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto",
    "septiembre", "octubre", "noviembre", "diciembre", "gennaio", "febbraio", "aprile", "maggio", "giugno",
    "luglio", "settembre", "ottobre", "dicembre", "janeiro", "fevereiro", "março", "maio", "junho", "julho",
    "setembro", "outubro", "novembro", "dezembro", "januari", "februari", "maart", "mei", "augustus",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "mon", "tue", "wed", "thu",
    "fri", "sat", "sun", "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag",
    "mo", "di", "mi", "do", "fr", "sa", "so", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi",
    "dimanche", "am", "pm", "at", "on", "the", "of", "um", "uhr", "den", "et", "est", "gmt", "utc", "cet",
    "edt", "de", "le", "à", "th", "st", "nd", "rd", "bst", "pst", "pdt", "ist", "updated", "published",
    "posted", "date", "datum", "ago", "hours", "hour", "minutes", "days", "день", "января", "февраля",
    "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря", NULL,
};
/* clang-format on */
