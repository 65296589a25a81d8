"""What is picked up in store takes a place of the day too, and days are limited in units."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0004_the_database_keeps_watch'),
        ('routing', '0002_parcels_offered_per_day'),
    ]

    operations = [
        migrations.AddField('offer', 'delivery', models.CharField(db_default='ship', default='ship', help_text='which capacity of the day it takes', max_length=8)),
        migrations.AddField('offer', 'capacity_units', models.PositiveIntegerField(help_text='units the stock point took that day, as it was then', null=True)),
        migrations.AlterField('offer', 'capacity', models.PositiveIntegerField(help_text='orders the stock point took that day, as it was then', null=True)),
        migrations.RunSQL(
            "UPDATE routing_offer SET delivery = 'pickup' WHERE NOT counts", migrations.RunSQL.noop
        ),
        migrations.RemoveField('offer', 'counts'),
    ]
