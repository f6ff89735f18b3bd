"""Passages of reasoning about sums in many languages, by ISO 639-1 code; we wrote them."""

PASSAGES = {
    "en": (
        "First we have to find out how many apples Anna bought in all. She buys twelve on Monday and twice as many "
        "on Tuesday, so together that makes thirty-six. She gives a third of them to her brother, and we take that "
        "part off again. Wait, I should check this once more: a third of thirty-six is twelve, so twenty-four are "
        "left. After that she eats two apples every day, and after five days another ten are gone."
    ),
    "de": (
        "Wir müssen zuerst herausfinden, wie viele Äpfel Anna insgesamt gekauft hat. Sie kauft am Montag zwölf "
        "Stück und am Dienstag doppelt so viele, also sind das zusammen sechsunddreißig. Davon gibt sie ein Drittel "
        "ihrem Bruder, und wir ziehen diesen Teil wieder ab. Warte, ich sollte das noch einmal prüfen: Ein Drittel "
        "von sechsunddreißig ist zwölf, also bleiben ihr vierundzwanzig. Danach isst sie jeden Tag zwei Äpfel, und "
        "nach fünf Tagen fehlen ihr noch einmal zehn. Somit hat sie am Ende vierzehn Äpfel übrig, und das ist die "
        "gesuchte Antwort."
    ),
    "fr": (
        "Commençons par calculer la longueur totale de la corde. Chaque morceau mesure trois mètres, et il y en a "
        "huit, donc la corde entière mesure vingt-quatre mètres. Ensuite, on coupe un quart de la corde pour "
        "fabriquer une échelle, ce qui laisse dix-huit mètres. Attends, vérifions encore une fois : un quart de "
        "vingt-quatre fait six, et la différence est bien dix-huit. Il faut maintenant partager ce reste entre les "
        "trois enfants de manière égale, et chacun reçoit donc six mètres. La réponse finale est six."
    ),
    "es": (
        "Primero calculamos cuántos libros hay en cada estante de la biblioteca. Como hay siete estantes y en cada "
        "uno caben nueve libros, en total hay sesenta y tres libros. Después se prestan veinte libros a los "
        "alumnos, de modo que quedan cuarenta y tres. Espera, tengo que comprobar si los libros devueltos también "
        "cuentan. El problema dice que devolvieron cinco, así que ahora hay cuarenta y ocho libros en la "
        "biblioteca. Por lo tanto, la respuesta que buscamos es cuarenta y ocho."
    ),
    "it": (
        "Per prima cosa dobbiamo trovare quanti biglietti sono stati venduti durante la settimana. Il lunedì ne "
        "hanno venduti quaranta, e ogni giorno successivo ne vendono cinque in più del giorno precedente. Quindi il "
        "venerdì ne vendono sessanta. La somma di tutti i giorni si calcola facilmente con la media, che è "
        "cinquanta, moltiplicata per cinque. Aspetta, controlliamo di nuovo il risultato: la somma è proprio "
        "duecentocinquanta. Allora la risposta corretta è duecentocinquanta biglietti."
    ),
    "pt": (
        "Primeiro precisamos descobrir quantas galinhas existem na fazenda do senhor João. Ele começou com trinta "
        "galinhas e comprou mais quinze no mercado, portanto ficou com quarenta e cinco. Depois a raposa levou "
        "cinco delas durante a noite, então sobraram quarenta. Espere, preciso verificar se os pintinhos também "
        "contam nessa soma. O enunciado não fala deles, por isso não contamos. Assim a resposta que procuramos é "
        "quarenta galinhas no total."
    ),
    "nl": (
        "Eerst moeten we uitrekenen hoeveel kilometer de fietser op de eerste dag heeft gereden. Hij rijdt vier uur "
        "met een snelheid van achttien kilometer per uur, dus dat zijn tweeënzeventig kilometer. De volgende dag "
        "rijdt hij de helft daarvan, want het regent de hele middag. Wacht even, ik wil dat nog een keer nakijken: "
        "de helft van tweeënzeventig is zesendertig. Samen heeft hij dus honderdacht kilometer gereden, en dat is "
        "het antwoord dat we zochten."
    ),
    "pl": (
        "Najpierw musimy obliczyć, ile ciastek upiekła babcia w ciągu całego tygodnia. W poniedziałek upiekła "
        "dwadzieścia ciastek, a każdego następnego dnia o trzy więcej niż poprzedniego. Zatem w piątek upiekła "
        "trzydzieści dwa ciastka. Poczekaj, sprawdźmy to jeszcze raz, ponieważ łatwo się tutaj pomylić. Suma "
        "wszystkich dni wynosi sto trzydzieści, więc taka jest nasza odpowiedź."
    ),
    "sv": (
        "Först måste vi räkna ut hur många böcker som finns i biblioteket. Det finns tolv hyllor och på varje hylla "
        "står det femton böcker, så det blir hundraåttio böcker sammanlagt. Sedan lånar eleverna ut trettio av dem, "
        "och då finns det hundrafemtio kvar. Vänta, jag måste kontrollera det en gång till. Läraren lämnade "
        "tillbaka tio böcker på kvällen, så svaret blir hundrasextio böcker."
    ),
    "tr": (
        "Önce çiftlikte kaç tane koyun olduğunu bulmamız gerekiyor. Çiftçi pazartesi günü yirmi koyun satın aldı ve "
        "salı günü bunların yarısını sattı. Demek ki elinde on koyun kaldı. Bekle, bunu bir kez daha kontrol "
        "etmeliyim, çünkü soruda kuzulardan da söz ediliyor. Her koyunun iki kuzusu varsa toplam yirmi kuzu eder. "
        "Sonuç olarak çiftlikte otuz hayvan vardır ve cevap budur."
    ),
    "vi": (
        "Trước hết chúng ta cần tính xem Lan có bao nhiêu quyển vở. Mẹ mua cho Lan mười hai quyển vở, và bà nội cho "
        "thêm tám quyển nữa, như vậy Lan có tất cả hai mươi quyển. Khoan đã, để tôi kiểm tra lại một lần nữa. Lan "
        "tặng cho bạn năm quyển, cho nên còn lại mười lăm quyển vở. Vậy đáp án của bài toán là mười lăm."
    ),
    "id": (
        "Pertama-tama kita harus menghitung berapa banyak buah mangga yang dibeli oleh ibu di pasar. Ibu membeli "
        "dua puluh buah mangga, lalu memberikan seperempat dari jumlah itu kepada tetangga. Jadi sisanya adalah "
        "lima belas buah mangga. Tunggu sebentar, saya perlu memeriksa kembali perhitungan ini. Setelah itu adik "
        "makan tiga buah, sehingga yang tersisa adalah dua belas buah mangga."
    ),
    "cs": (
        "Nejprve musíme zjistit, kolik jablek je ve všech košících dohromady. V každém košíku je patnáct jablek a "
        "košíků je osm, takže celkem máme sto dvacet jablek. Počkej, raději to ještě jednou zkontrolujeme, protože "
        "jeden košík byl prázdný. Ve skutečnosti je tedy plných košíků sedm a jablek je sto pět. Odpověď na otázku "
        "je sto pět jablek."
    ),
    "ru": (
        "Сначала нужно найти, сколько яблок было у Маши. Она купила двенадцать яблок утром и ещё восемь вечером, "
        "значит всего у неё было двадцать яблок. Подожди, надо проверить ещё раз. Она отдала брату четверть всех "
        "яблок, то есть пять штук. Таким образом, у неё осталось пятнадцать яблок, и это и есть ответ."
    ),
    "zh": (
        "首先我们需要计算小明一共买了多少个苹果。他星期一买了十二个，星期二买了两倍那么多，所以一共是三十六个。等"
        "等，让我再检查一遍。他把三分之一给了弟弟，也就是十二个，所以他还剩下二十四个苹果。因此最后的答案是二十四"
        "。"
    ),
    "ja": (
        "まず、花子さんがりんごを全部でいくつ買ったかを計算します。月曜日に十二個、火曜日にその二倍を買ったので、"
        "合計は三十六個です。待ってください、もう一度確認しましょう。三分の一を弟にあげたので、残りは二十四個にな"
        "ります。したがって答えは二十四です。"
    ),
    "ko": (
        "먼저 철수가 사과를 모두 몇 개 샀는지 계산해야 합니다. 월요일에 열두 개를 샀고 화요일에는 "
        "그 두 배를 샀으므로 모두 서른여섯 개입니다. 잠깐, 다시 한번 확인해 보겠습니다. 그중 삼분의 "
        "일을 동생에게 주었으니 스물네 개가 남습니다. 따라서 정답은 스물넷입니다."
    ),
    "ar": (
        "أولاً يجب أن نحسب عدد التفاحات التي اشترتها مريم. اشترت اثنتي عشرة تفاحة يوم الاثنين وضعف هذا العدد يوم "
        "الثلاثاء، فيكون المجموع ستاً وثلاثين تفاحة. انتظر، دعني أتحقق مرة أخرى. أعطت ثلثها لأخيها فبقي لديها أربع "
        "وعشرون تفاحة، وهذا هو الجواب المطلوب."
    ),
    "hi": (
        "सबसे पहले हमें यह पता लगाना होगा कि रीना ने कुल कितने सेब खरीदे। उसने सोमवार को बारह सेब खरीदे और मंगलवार "
        "को उससे दोगुने, इसलिए कुल छत्तीस सेब हुए। रुको, मैं इसे फिर से जाँच लेता हूँ। उसने एक तिहाई अपने भाई को दे "
        "दिए, तो उसके पास चौबीस सेब बचे। इसलिए उत्तर चौबीस है।"
    ),
}
