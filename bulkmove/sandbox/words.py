"""The words that generated shops are made of: Romanian, with both old and new diacritics as real data have them."""

from __future__ import annotations

FIRST_NAMES = (
    "Ana", "Andrei", "Ștefan", "Ştefania", "Ioana", "Gheorghe", "Mădălina", "Călin", "Răzvan", "Bianca", "Loredana",
    "Cătălin", "Ilinca", "Óscar", "Zoltán", "Réka", "Dragoș", "Ţicu", "Maria-Magdalena", "Sînziana", "Luminița",
    "Petru", "Nicoleta", "Vlăduț", "Anca", "Mircea", "Crina", "Tudor", "Raluca", "Emil",
)  # fmt: skip
LAST_NAMES = (
    "Popescu", "Ionescu", "Dumitrașcu", "Brânzei", "Țepeș", "Ştefănescu", "Văcărescu", "Nagy", "Szabó", "Mureșan",
    "Câmpeanu", "D'Angelo", "Popa-Tănase", "Crăciun", "Grigoraș", "Șerban", "Lăzărescu", "Munteanu", "Rusu",
    "Bălan", "Îndrei", "Cojocaru", "Chiriac", "Țurcanu", "Olaru",
)  # fmt: skip
STREETS = (
    "str. Mihai Eminescu", "Bd. Ștefan cel Mare", "Calea Moșilor", "str. Câmpului", "Aleea Florilor",
    "Şos. Olteniței", "str. 1 Decembrie 1918", "Piața Unirii", "str. Rose Hill", "Drumul Taberei", "str. Lăcrămioarelor",
    "Splaiul Independenței",
)  # fmt: skip
COMPANIES = (
    "Întreprinderea Șurub SRL", "Casa Țesătoarelor S.R.L.", "Auto & Moto <Expert> SRL", "BĂCĂNIA “La Moș” PFA",
    "Ștrand Invest S.A.", "Nagy és Fia Kft.", "Creații Vestimentare SRL-D", "ONG Pădurea Vie",
)  # fmt: skip
BANKS = ("Banca Transilvania", "BRD - Groupe Société Générale", "BCR", "CEC Bank", None)
NOUNS = (
    "Rochie", "Cămașă", "Pantofi", "Geantă", "Sandale", "Bluză", "Fustă", "Sacou", "Eșarfă", "Cizme", "Tricou",
    "Pălărie", "Jachetă", "Curea", "Șosete", "Lustră", "Mănuși", "Palton",
)  # fmt: skip
ADJECTIVES = (
    "elegantă", "din piele", "de vară", "cu mâneci scurte", "Floral Laser", "Nunaked", "midi", "oversize",
    "împletită", "cu șnur", "Menelaus", "roșu-închis", "croșetată", "„Ediție limitată”", "100% bumbac",
)  # fmt: skip
COLOURS = ("alb", "negru", "bej", "roșu", "verde-mentă", "albastru", "bordo", "crem")
SIZES = ("XS", "S", "M", "L", "XL", "XXL", "36", "37", "38", "39", "40", "41")
BRANDS = ("Giuseppe-Zanotti", "Joop", "Michael Kors", "Inko", "Gabel", "Țara Mea", "Casa Ană", None)
CATEGORIES = (
    "Rochii",
    "Sandale",
    "Pantofi",
    "Lustre",
    "Genți & Poșete",
    "Îmbrăcăminte",
    "Accesorii",
    "Reduceri",
)
NOTES = (
    None, None, None, None, "", "Vă rog sunați înainte de livrare!", "Livrare după ora 17 🙏", "interfon 12, et. 3",
    "<p>Este <b>cadou</b>: ambalați frumos &amp; fără preț 🎁</p><br />",
    "Mulțumesc!\r\nS-o lăsați la vecina de la 4\t(d-na Țuțu)", 'cod: "50% off" \\ nu a mers', "👩‍👩‍👧 mărimea 38?",
    "<script>alert('x')</script>", "Nu răspund la telefon între 9–15 — mesaj pe WhatsApp ✆",
)  # fmt: skip
COUPONS = (
    None,
    None,
    None,
    None,
    None,
    None,
    "VARA10",
    "BLACK FRIDAY 2024",
    "ÎNAPOI-LA-ȘCOALĂ",
    "welcome5",
    "50%OFF",
)
TAGS = ("Excelent feedback", "VIP ⭐", "retur frecvent", "de sunat", "Ianuarie", "B2B")
CHANNELS = (None, None, None, "eMAG", "Facebook Shop", "Glovo", "admin")

PAYMENT_STATUSES = (
    ("paid", "Plata efectuata"), ("awaiting", "Plata in asteptare"), ("canceled", "Plata anulata"),
    ("cancelled", "Plata anulata"), ("temporary", "Comanda temporara"), ("failed", "Plata esuata"),
    ("refunded", "Plata returnata"), ("rejected", "Plata respinsa"),
)  # fmt: skip
PAYMENT_WEIGHTS = (52, 30, 3, 5, 1, 3, 4, 2)
SHIPPING_STATUSES = (
    ("delivered", "Comanda livrata"), ("awaiting", "Comanda in asteptare"), ("confirmed", "Comanda confirmata"),
    ("in_process", "In procesare"), ("shipped", "Comanda expediata"), ("returned", "Comanda returnata"),
    ("cancelled", "Comanda anulata"),
)  # fmt: skip
SHIPPING_WEIGHTS = (60, 8, 4, 5, 9, 5, 9)
PAYMENT_METHODS = (
    ("cash_delivery", "Plata in sistem ramburs"), ("wire", "Ordin de plată"), ("librapay", "Card online"),
    ("euplatesc", "EuPlătesc"), ("in_store", "La sediu"), ("tbi", "TBI Rate"), ("paypal", "PayPal"),
)  # fmt: skip
PAYMENT_METHOD_WEIGHTS = (55, 4, 18, 12, 3, 4, 4)
SHIPPING_METHODS = (
    (3, "Speedy"), (101, "Fan Courier"), ("102", "Sameday easybox"), (0, None), (7, "Cargus — ridicare Ship & Go"),
)  # fmt: skip

# County, its car plate, and the first digits of its postal codes.
COUNTIES = (
    ("Alba", "AB", "51"), ("Arad", "AR", "31"), ("Argeș", "AG", "11"), ("Bacău", "BC", "60"), ("Bihor", "BH", "41"),
    ("Bistrița-Năsăud", "BN", "42"), ("Botoșani", "BT", "71"), ("Brăila", "BR", "81"), ("Brașov", "BV", "50"),
    ("București", "B", "01"), ("Buzău", "BZ", "12"), ("Călărași", "CL", "91"), ("Caraș-Severin", "CS", "32"),
    ("Cluj", "CJ", "40"), ("Constanța", "CT", "90"), ("Covasna", "CV", "52"), ("Dâmbovița", "DB", "13"),
    ("Dolj", "DJ", "20"), ("Galați", "GL", "80"), ("Giurgiu", "GR", "08"), ("Gorj", "GJ", "21"),
    ("Harghita", "HR", "53"), ("Hunedoara", "HD", "33"), ("Ialomița", "IL", "92"), ("Iași", "IS", "70"),
    ("Ilfov", "IF", "07"), ("Maramureș", "MM", "43"), ("Mehedinți", "MH", "22"), ("Mureș", "MS", "54"),
    ("Neamț", "NT", "61"), ("Olt", "OT", "23"), ("Prahova", "PH", "10"), ("Sălaj", "SJ", "45"),
    ("Satu Mare", "SM", "44"), ("Sibiu", "SB", "55"), ("Suceava", "SV", "72"), ("Teleorman", "TR", "14"),
    ("Timiș", "TM", "30"), ("Tulcea", "TL", "82"), ("Vâlcea", "VL", "24"), ("Vaslui", "VS", "73"),
    ("Vrancea", "VN", "62"),
)  # fmt: skip
VILLAGE_STARTS = ("Valea", "Poiana", "Dealu", "Gura", "Fântâna", "Cetatea", "Bălțile", "Șesu")
VILLAGE_ENDS = ("Mare", "Mică", "lui Ștefan", "Țapului", "de Jos", "Râului", "Nouă", "Câinelui")
